output "webhook_dead_letters_url" {
  description = "The queue of notifications that the webhook did not take; null without one"
  value       = one([for queue in aws_sqs_queue.dead_letters : queue.url])
}
