package directory

// Settings of alerts and webhooks.
const (
	AlertsQueueAge     DurationSetting = "alerts.queue-age"
	AlertsQueueSize    IntSetting      = "alerts.queue-size"
	AlertsFailedLogins IntSetting      = "alerts.failed-logins"
	AlertsConfirm      DurationSetting = "alerts.confirm"
	AlertsClear        DurationSetting = "alerts.clear"
	AlertsRemind       DurationSetting = "alerts.remind"
	AlertsDaily        TextSetting     = "alerts.daily"
	AlertsDailyHour    IntSetting      = "alerts.daily-hour"

	PushPrivate BoolSetting = "push.private-networks"
)

// alertDefinitions are the settings of alerts and webhooks.
func alertDefinitions() []definition {
	return []definition{
		{name: string(AlertsQueueAge), kind: duration, initial: "4h", max: int64(30 * day),
			doc: "Alert when the oldest message in the queue has waited for so long. 0: never."},
		{name: string(AlertsQueueSize), kind: integer, initial: "5000", max: 1 << 40,
			doc: "Alert when so many messages wait in the queue; it is over when there are half as many. 0: never."},
		{name: string(AlertsFailedLogins), kind: integer, initial: "200", max: 1 << 40,
			doc: "Alert when so many logins fail within ten minutes; it is over when half as many do. 0: never."},
		{name: string(AlertsConfirm), kind: duration, initial: "2m", max: int64(day),
			doc: "Trouble of the network and of the DNS is looked at again after this time before anybody is told."},
		{name: string(AlertsClear), kind: duration, initial: "10m", max: int64(day),
			doc: "Trouble must be gone for this time before it is told that it is over."},
		{name: string(AlertsRemind), kind: duration, initial: "1d", max: int64(30 * day),
			doc: "Tell again after this time of what still fails. 0: never."},
		{name: string(AlertsDaily), kind: words, initial: "changes", check: oneOf("off", "changes", "always"),
			doc: "The daily mail to the alert channels that want it: \"changes\" sends it when something has changed since the day before, \"always\" each day, \"off\" never."},
		{name: string(AlertsDailyHour), kind: integer, initial: "7", max: 23,
			doc: "Hour of the day at which the daily mail is sent, in the time zone of this machine."},
		{name: string(PushPrivate), kind: boolean, guarded: true, initial: "false",
			doc: "Let alerts and webhooks of owners and admins go to web servers in private networks and on this machine, there also without TLS."},
	}
}
