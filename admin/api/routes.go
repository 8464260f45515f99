package api

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
)

// Bodies of requests that are no type of admin.
type (
	passwordBody struct {
		Password string `json:"password"`
	}
	aliasBody struct {
		Address string   `json:"address"`
		Targets []string `json:"targets"`
	}
	queueBody struct {
		Do  admin.QueueAction `json:"do"`
		IDs []string          `json:"ids"`
	}
	settingBody struct {
		Value string `json:"value"`
	}
)

const tomlType = "application/toml"

func (s *server) routes(g *echo.Group) {
	g.GET("/domains", s.domains)
	g.POST("/domains", s.addDomain)
	g.GET("/domains/:name", s.domain)
	g.PATCH("/domains/:name", s.setDomain)
	g.DELETE("/domains/:name", s.removeDomain)
	g.GET("/domains/:name/check", s.checkDomain)
	g.GET("/accounts", s.accounts)
	g.POST("/accounts", s.addAccount)
	g.GET("/accounts/:address", s.account)
	g.PATCH("/accounts/:address", s.setAccount)
	g.DELETE("/accounts/:address", s.removeAccount)
	g.PUT("/accounts/:address/password", s.setPassword)
	g.GET("/aliases", s.aliases)
	g.POST("/aliases", s.addAlias)
	g.DELETE("/aliases/:address", s.removeAlias)
	g.GET("/queue", s.queue)
	g.GET("/queue/stats", s.queueStats)
	g.POST("/queue/actions", s.changeQueue)
	g.GET("/queue/:id", s.queueItem)
	g.GET("/traces", s.findTraces)
	g.GET("/traces/:id", s.trace)
	g.GET("/settings", s.settings)
	g.GET("/settings/:name", s.setting)
	g.PUT("/settings/:name", s.setSetting)
	g.DELETE("/settings/:name", s.resetSetting)
	g.GET("/settings.toml", s.exportSettings)
	g.PUT("/settings.toml", s.importSettings)
	g.GET("/certificates", s.certificates)
	g.GET("/audit", s.audit)
}

func (s *server) domains(c echo.Context) error {
	list, err := s.op.Domains(c.Request().Context())
	return answer(c, http.StatusOK, list, err)
}

func (s *server) addDomain(c echo.Context) error {
	var n admin.NewDomain
	if err := decode(c, &n); err != nil {
		return err
	}
	d, err := s.op.AddDomain(c.Request().Context(), n)
	return answer(c, http.StatusCreated, d, err)
}

func (s *server) domain(c echo.Context) error {
	d, err := s.op.Domain(c.Request().Context(), param(c, "name"))
	return answer(c, http.StatusOK, d, err)
}

func (s *server) setDomain(c echo.Context) error {
	var ch admin.DomainChange
	if err := decode(c, &ch); err != nil {
		return err
	}
	d, err := s.op.SetDomain(c.Request().Context(), param(c, "name"), ch)
	return answer(c, http.StatusOK, d, err)
}

func (s *server) removeDomain(c echo.Context) error {
	return done(c, s.op.RemoveDomain(c.Request().Context(), param(c, "name"), c.QueryParam("force") == "true"))
}

func (s *server) checkDomain(c echo.Context) error {
	checks, err := s.op.CheckDomain(c.Request().Context(), param(c, "name"))
	return answer(c, http.StatusOK, checks, err)
}

func (s *server) accounts(c echo.Context) error {
	list, err := s.op.Accounts(c.Request().Context(), c.QueryParam("domain"))
	return answer(c, http.StatusOK, list, err)
}

func (s *server) addAccount(c echo.Context) error {
	var n admin.NewAccount
	if err := decode(c, &n); err != nil {
		return err
	}
	a, err := s.op.AddAccount(c.Request().Context(), n)
	return answer(c, http.StatusCreated, a, err)
}

func (s *server) account(c echo.Context) error {
	a, err := s.op.Account(c.Request().Context(), param(c, "address"))
	return answer(c, http.StatusOK, a, err)
}

func (s *server) setAccount(c echo.Context) error {
	var ch admin.AccountChange
	if err := decode(c, &ch); err != nil {
		return err
	}
	a, err := s.op.SetAccount(c.Request().Context(), param(c, "address"), ch)
	return answer(c, http.StatusOK, a, err)
}

func (s *server) removeAccount(c echo.Context) error {
	return done(c, s.op.RemoveAccount(c.Request().Context(), param(c, "address")))
}

func (s *server) setPassword(c echo.Context) error {
	var b passwordBody
	if err := decode(c, &b); err != nil {
		return err
	}
	return done(c, s.op.SetPassword(c.Request().Context(), param(c, "address"), b.Password))
}

func (s *server) aliases(c echo.Context) error {
	list, err := s.op.Aliases(c.Request().Context(), c.QueryParam("domain"))
	return answer(c, http.StatusOK, list, err)
}

func (s *server) addAlias(c echo.Context) error {
	var b aliasBody
	if err := decode(c, &b); err != nil {
		return err
	}
	a, err := s.op.AddAlias(c.Request().Context(), b.Address, b.Targets)
	return answer(c, http.StatusOK, a, err)
}

func (s *server) removeAlias(c echo.Context) error {
	return done(c, s.op.RemoveAlias(c.Request().Context(), param(c, "address"), c.QueryParams()["target"]))
}

func (s *server) queue(c echo.Context) error {
	limit, err := number(c, "limit")
	if err != nil {
		return err
	}
	list, err := s.op.Queue(c.Request().Context(), admin.QueueFilter{Address: c.QueryParam("address"), State: c.QueryParam("state"),
		Cause: c.QueryParam("cause"), After: c.QueryParam("after"), Limit: limit})
	return answer(c, http.StatusOK, list, err)
}

func (s *server) queueStats(c echo.Context) error {
	st, err := s.op.QueueStats(c.Request().Context())
	return answer(c, http.StatusOK, st, err)
}

func (s *server) queueItem(c echo.Context) error {
	it, err := s.op.QueueItem(c.Request().Context(), param(c, "id"))
	return answer(c, http.StatusOK, it, err)
}

func (s *server) changeQueue(c echo.Context) error {
	var b queueBody
	if err := decode(c, &b); err != nil {
		return err
	}
	return done(c, s.op.ChangeQueue(c.Request().Context(), b.Do, b.IDs))
}

func (s *server) findTraces(c echo.Context) error {
	limit, err := number(c, "limit")
	if err != nil {
		return err
	}
	q := admin.TraceQuery{ID: c.QueryParam("id"), MessageID: c.QueryParam("message_id"), Address: c.QueryParam("address"), IP: c.QueryParam("ip"),
		Subject: c.QueryParam("subject"), Outcome: c.QueryParam("outcome"), Limit: limit}
	if q.After, err = moment(c, "after"); err != nil {
		return err
	}
	if q.Before, err = moment(c, "before"); err != nil {
		return err
	}
	list, err := s.op.FindTraces(c.Request().Context(), q)
	return answer(c, http.StatusOK, list, err)
}

func (s *server) trace(c echo.Context) error {
	t, err := s.op.Trace(c.Request().Context(), param(c, "id"))
	return answer(c, http.StatusOK, t, err)
}

func (s *server) settings(c echo.Context) error {
	list, err := s.op.Settings(c.Request().Context())
	return answer(c, http.StatusOK, list, err)
}

func (s *server) setting(c echo.Context) error {
	st, err := s.op.Setting(c.Request().Context(), param(c, "name"))
	return answer(c, http.StatusOK, st, err)
}

func (s *server) setSetting(c echo.Context) error {
	var b settingBody
	if err := decode(c, &b); err != nil {
		return err
	}
	st, err := s.op.SetSetting(c.Request().Context(), param(c, "name"), b.Value)
	return answer(c, http.StatusOK, st, err)
}

func (s *server) resetSetting(c echo.Context) error {
	st, err := s.op.ResetSetting(c.Request().Context(), param(c, "name"))
	return answer(c, http.StatusOK, st, err)
}

func (s *server) exportSettings(c echo.Context) error {
	file, err := s.op.ExportSettings(c.Request().Context())
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, tomlType, file)
}

func (s *server) importSettings(c echo.Context) error {
	file, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return err
	}
	changed, err := s.op.ImportSettings(c.Request().Context(), file)
	return answer(c, http.StatusOK, changed, err)
}

func (s *server) certificates(c echo.Context) error {
	list, err := s.op.Certificates(c.Request().Context())
	return answer(c, http.StatusOK, list, err)
}

func (s *server) audit(c echo.Context) error {
	limit, err := number(c, "limit")
	if err != nil {
		return err
	}
	list, err := s.op.Audit(c.Request().Context(), limit)
	return answer(c, http.StatusOK, list, err)
}

// param returns a part of the path as the client meant it. echo leaves it
// escaped when an escape made a difference, as that of a slash.
func param(c echo.Context, name string) string {
	v := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// number reads a number from the query, 0 if it is not there.
func number(c echo.Context, name string) (int, error) {
	v := c.QueryParam(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0, echo.NewHTTPError(http.StatusBadRequest, name+" is not a number")
	}
	return n, nil
}

// moment reads a time from the query, the zero time if it is not there.
func moment(c echo.Context, name string) (time.Time, error) {
	v := c.QueryParam(name)
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return time.Time{}, echo.NewHTTPError(http.StatusBadRequest, name+" is not a time; write it as in 2026-11-24T12:00:00Z")
	}
	return t, nil
}
