variable "name" {
  description = "The beginning of every name"
  type        = string
}

variable "topic_arn" {
  description = "The SNS topic with messages for Amazon Q Developer in chat applications"
  type        = string
}

variable "slack" {
  description = "The Slack channels that are notified, by a name of your own: the workspace's id, which has authorized Amazon Q Developer once in the console, and the channel's"
  type        = map(object({ workspace_id = string, channel_id = string }))
  default     = {}
}

variable "teams" {
  description = "The Microsoft Teams channels that are notified, by a name of your own; the team has authorized Amazon Q Developer once in the console"
  type        = map(object({ tenant_id = string, team_id = string, channel_id = string }))
  default     = {}
}

variable "webhook" {
  description = "An HTTPS address that gets each notification as JSON in a POST, with a header of this name and value to know it by"
  type        = object({ url = string, header = string, value = string })
  default     = null
  sensitive   = true
}
