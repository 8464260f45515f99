package admin

import (
	"context"
	"runtime"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
)

// About is what one is asked for when something is wrong with a server.
type About struct {
	Version  string        `json:"version"`
	Go       string        `json:"go" doc:"Version of Go that it was built with."`
	OS       string        `json:"os"`
	Arch     string        `json:"arch"`
	CPUs     int           `json:"cpus"`
	Hostname string        `json:"hostname"`
	Started  time.Time     `json:"started"`
	Uptime   int64         `json:"uptime" doc:"Seconds."`
	DataDir  string        `json:"dataDir"`
	Data     *int64        `json:"data,omitempty" doc:"Octets that the data folder takes, as /storage has seen last; absent if nobody has looked."`
	Memory   *Memory       `json:"memory,omitempty"`
	Ports    []ServicePort `json:"ports"`
	Domains  int           `json:"domains"`
	Accounts int           `json:"accounts"`
}

// Memory is what the server may have of the computer's memory, and has.
type Memory struct {
	Limit       int64        `json:"limit" doc:"Octets that the server may have; 0: nothing limits it."`
	From        string       `json:"from" doc:"What says so."`
	Used        int64        `json:"used" doc:"Octets that are in use and cannot be freed."`
	Own         int64        `json:"own" doc:"Octets that only this process has, without pages of files; 0 if the system does not say."`
	Connections int          `json:"connections" doc:"Of SMTP and IMAP that are taken at a time."`
	Passwords   int          `json:"passwords" doc:"That are checked at a time."`
	Parts       []MemoryPart `json:"parts"`
}

// MemoryPart is what a part of the server takes, about.
type MemoryPart struct {
	Part string `json:"part" enum:"passwords,connections,messages,databases,dns,words"`
	Used int64  `json:"used"`
	Most int64  `json:"most"`
}

// memory is how the memory stands; nil: nobody looks.
func (a *Admin) memory() *Memory {
	if a.opts.Server == nil || a.opts.Server.Memory == nil {
		return nil
	}
	s := a.opts.Server.Memory()
	m := &Memory{Limit: s.Bytes, From: s.From, Used: s.Used, Own: s.Resident, Connections: min(s.Connections, int(a.opts.Directory.Int(directory.LimitConnections))), Passwords: s.PasswordChecks, Parts: []MemoryPart{}}
	for _, p := range s.Parts {
		m.Parts = append(m.Parts, MemoryPart{p.Name, p.Used, p.Most})
	}
	return m
}

// ServicePort is a port that is open.
type ServicePort struct {
	Service string `json:"service"`
	Port    int    `json:"port"`
	TLS     bool   `json:"tls" doc:"From the first octet."`
}

// About says what this server is.
func (a *Admin) About(ctx context.Context) (About, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return About{}, err
	}
	if !a.running() {
		return About{}, &directory.Problem{Kind: ErrUnavailable, Text: "no server is running; start it with `mailstead serve`"}
	}
	v := About{Version: a.opts.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Hostname: a.Hostname(),
		Started: a.started.UTC(), Uptime: int64(a.opts.Now().Sub(a.started) / time.Second), DataDir: a.opts.DataDir, Memory: a.memory(), Ports: []ServicePort{}}
	v.Domains, v.Accounts = a.opts.Directory.Counts()
	if a.opts.Server != nil {
		for _, p := range a.opts.Server.Ports {
			v.Ports = append(v.Ports, ServicePort{p.Name, p.Number, p.TLS})
		}
	}
	// Somebody who looks through a large folder now is not waited for.
	if a.storage.mu.TryLock() {
		if last := a.storage.last; !last.At.IsZero() {
			v.Data = &last.Data
		}
		a.storage.mu.Unlock()
	}
	return v, nil
}
