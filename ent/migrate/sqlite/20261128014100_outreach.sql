-- Disable the enforcement of foreign-keys constraints
PRAGMA foreign_keys = off;
-- Create "new_campaigns" table
CREATE TABLE `new_campaigns` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `name` text NOT NULL, `question` text NOT NULL, `follow_up_question` text NOT NULL, `status` text NOT NULL DEFAULT ('ACTIVE'), `has_waiting` bool NOT NULL DEFAULT (false), `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Copy rows from old table "campaigns" to new temporary table "new_campaigns"
INSERT INTO `new_campaigns` (`tenant_id`, `id`, `name`, `question`, `follow_up_question`, `status`, `created_at`, `updated_at`) SELECT `tenant_id`, `id`, `name`, `question`, `follow_up_question`, `status`, `created_at`, `updated_at` FROM `campaigns`;
-- Drop "campaigns" table after copying rows
DROP TABLE `campaigns`;
-- Rename temporary table "new_campaigns" to "campaigns"
ALTER TABLE `new_campaigns` RENAME TO `campaigns`;
-- Create index "campaign_tenant_id_name" to table: "campaigns"
CREATE UNIQUE INDEX `campaign_tenant_id_name` ON `campaigns` (`tenant_id`, `name`);
-- Create index "campaign_id" to table: "campaigns"
CREATE INDEX `campaign_id` ON `campaigns` (`id`);
-- Add column "time_zone" to table: "contacts"
ALTER TABLE `contacts` ADD COLUMN `time_zone` text NULL;
-- Create "new_tenants" table
CREATE TABLE `new_tenants` (`id` uuid NOT NULL, `name` text NOT NULL, `time_zone` text NOT NULL DEFAULT ('UTC'), `industry` text NULL, `allowed_origins` json NULL, `created_at` datetime NOT NULL, `log_position` integer NOT NULL DEFAULT (0), `revision` integer NOT NULL DEFAULT (0), `settings` integer NOT NULL DEFAULT (0), `cube` integer NOT NULL DEFAULT (0), `min_group_size` integer NOT NULL DEFAULT (1), `quiet_days` integer NOT NULL DEFAULT (30), PRIMARY KEY (`id`));
-- Copy rows from old table "tenants" to new temporary table "new_tenants"
INSERT INTO `new_tenants` (`id`, `name`, `time_zone`, `industry`, `allowed_origins`, `created_at`, `log_position`, `revision`, `settings`, `cube`, `min_group_size`) SELECT `id`, `name`, `time_zone`, `industry`, `allowed_origins`, `created_at`, `log_position`, `revision`, `settings`, `cube`, `min_group_size` FROM `tenants`;
-- Drop "tenants" table after copying rows
DROP TABLE `tenants`;
-- Rename temporary table "new_tenants" to "tenants"
ALTER TABLE `new_tenants` RENAME TO `tenants`;
-- Create "new_invitations" table
CREATE TABLE `new_invitations` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `contact_id` uuid NULL, `channel` text NOT NULL, `status` text NOT NULL, `skipped_because` text NULL, `variant` text NULL, `locale` text NOT NULL, `traits` json NOT NULL, `visitor` blob NULL, `due_at` datetime NOT NULL, `sent_at` datetime NULL, `reminded_at` datetime NULL, `delivered_at` datetime NULL, `bounced_at` datetime NULL, `bounce_kind` text NULL, `bounce_reason` text NULL, `complained_at` datetime NULL, `unsubscribed_at` datetime NULL, `plan` uuid NULL, `occasion` text NULL, `occurred_at` datetime NULL, `key_hash` blob NULL, `ignores_quiet` bool NOT NULL DEFAULT (false), `next_at` datetime NULL, `attempt_at` datetime NULL, `reminder_attempt_at` datetime NULL, `attempts` integer NOT NULL DEFAULT (0), `claimed_at` datetime NULL, `address_hash` text NULL, `asked_before` datetime NULL, `response_id` uuid NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `invitations_campaign_id` FOREIGN KEY (`tenant_id`, `campaign_id`) REFERENCES `campaigns` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT `invitations_contact_id` FOREIGN KEY (`tenant_id`, `contact_id`) REFERENCES `contacts` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT `invitations_response_id` FOREIGN KEY (`tenant_id`, `response_id`) REFERENCES `responses` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Copy rows from old table "invitations" to new temporary table "new_invitations"
INSERT INTO `new_invitations` (`tenant_id`, `id`, `campaign_id`, `contact_id`, `channel`, `status`, `skipped_because`, `variant`, `locale`, `traits`, `visitor`, `due_at`, `sent_at`, `response_id`) SELECT `tenant_id`, `id`, `campaign_id`, `contact_id`, `channel`, `status`, `skipped_because`, `variant`, `locale`, `traits`, `visitor`, `due_at`, `sent_at`, `response_id` FROM `invitations`;
-- Drop "invitations" table after copying rows
DROP TABLE `invitations`;
-- Rename temporary table "new_invitations" to "invitations"
ALTER TABLE `new_invitations` RENAME TO `invitations`;
-- Create index "invitation_tenant_id_due_at_id" to table: "invitations"
CREATE INDEX `invitation_tenant_id_due_at_id` ON `invitations` (`tenant_id`, `due_at`, `id`);
-- Create index "invitation_tenant_id_campaign_id_due_at_id" to table: "invitations"
CREATE INDEX `invitation_tenant_id_campaign_id_due_at_id` ON `invitations` (`tenant_id`, `campaign_id`, `due_at`, `id`);
-- Create index "invitation_tenant_id_contact_id_due_at_id" to table: "invitations"
CREATE INDEX `invitation_tenant_id_contact_id_due_at_id` ON `invitations` (`tenant_id`, `contact_id`, `due_at`, `id`);
-- Create index "invitation_status" to table: "invitations"
CREATE INDEX `invitation_status` ON `invitations` (`tenant_id`, `campaign_id`, `status`, `due_at`, `id`);
-- Create index "invitation_occasion" to table: "invitations"
CREATE UNIQUE INDEX `invitation_occasion` ON `invitations` (`tenant_id`, `campaign_id`, `contact_id`, `occasion`);
-- Create index "invitation_tenant_id_key_hash" to table: "invitations"
CREATE UNIQUE INDEX `invitation_tenant_id_key_hash` ON `invitations` (`tenant_id`, `key_hash`);
-- Create index "invitation_tenant_id_response_id" to table: "invitations"
CREATE UNIQUE INDEX `invitation_tenant_id_response_id` ON `invitations` (`tenant_id`, `response_id`);
-- Create index "invitation_tenant_id_visitor_due_at" to table: "invitations"
CREATE INDEX `invitation_tenant_id_visitor_due_at` ON `invitations` (`tenant_id`, `visitor`, `due_at`);
-- Create index "invitation_next_at" to table: "invitations"
CREATE INDEX `invitation_next_at` ON `invitations` (`next_at`);
-- Create index "invitation_id" to table: "invitations"
CREATE INDEX `invitation_id` ON `invitations` (`id`);
-- Create "contact_events" table
CREATE TABLE `contact_events` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `key_hash` blob NOT NULL, `created_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "contactevent_tenant_id_key_hash" to table: "contact_events"
CREATE UNIQUE INDEX `contactevent_tenant_id_key_hash` ON `contact_events` (`tenant_id`, `key_hash`);
-- Create "monthly_counts" table
CREATE TABLE `monthly_counts` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign` uuid NOT NULL, `month` integer NOT NULL, `sent` integer NOT NULL DEFAULT (0), PRIMARY KEY (`tenant_id`, `id`));
-- Create index "monthlycount_tenant_id_campaign_month" to table: "monthly_counts"
CREATE UNIQUE INDEX `monthlycount_tenant_id_campaign_month` ON `monthly_counts` (`tenant_id`, `campaign`, `month`);
-- Create "outreach" table
CREATE TABLE `outreach` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `monthly_budget` integer NULL, `sender_name` text NULL, `sender_address` text NULL, `reply_to` text NULL, `postal_address` text NULL, `unconfirmed_address` text NULL, `code_hash` blob NULL, `code_sent_at` datetime NULL, `code_tries` integer NOT NULL DEFAULT (0), `tests_hour` integer NOT NULL DEFAULT (0), `tests` integer NOT NULL DEFAULT (0), `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`));
-- Create index "outreach_tenant_id" to table: "outreach"
CREATE UNIQUE INDEX `outreach_tenant_id` ON `outreach` (`tenant_id`);
-- Create "schedules" table
CREATE TABLE `schedules` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `campaign_id` uuid NOT NULL, `plan` uuid NOT NULL, `occasion` text NOT NULL, `at` datetime NULL, `over_days` integer NULL, `every_months` integer NULL, `start_on` integer NULL, `event` text NULL, `delay_minutes` integer NULL, `segment_id` uuid NULL, `sample_percent` integer NOT NULL, `monthly_budget` integer NULL, `weekdays` integer NOT NULL, `from_hour` integer NOT NULL, `to_hour` integer NOT NULL, `reminder_after_days` integer NULL, `is_paused` bool NOT NULL DEFAULT (false), `passed_at` datetime NULL, `done_to` uuid NULL, `created_at` datetime NOT NULL, `updated_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `schedules_campaign_id` FOREIGN KEY (`tenant_id`, `campaign_id`) REFERENCES `campaigns` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT `schedules_segment_id` FOREIGN KEY (`tenant_id`, `segment_id`) REFERENCES `segments` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "schedule_tenant_id_campaign_id" to table: "schedules"
CREATE UNIQUE INDEX `schedule_tenant_id_campaign_id` ON `schedules` (`tenant_id`, `campaign_id`);
-- Create index "schedule_tenant_id_event" to table: "schedules"
CREATE INDEX `schedule_tenant_id_event` ON `schedules` (`tenant_id`, `event`);
-- Create index "schedule_tenant_id_segment_id" to table: "schedules"
CREATE INDEX `schedule_tenant_id_segment_id` ON `schedules` (`tenant_id`, `segment_id`);
-- Create "suppressions" table
CREATE TABLE `suppressions` (`tenant_id` uuid NOT NULL, `id` uuid NOT NULL, `email` text NULL, `email_key` text NULL, `email_hash` text NOT NULL, `reason` text NOT NULL, `invitation_id` uuid NULL, `created_at` datetime NOT NULL, PRIMARY KEY (`tenant_id`, `id`), CONSTRAINT `suppressions_invitation_id` FOREIGN KEY (`tenant_id`, `invitation_id`) REFERENCES `invitations` (`tenant_id`, `id`) ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "suppression_tenant_id_email_hash" to table: "suppressions"
CREATE UNIQUE INDEX `suppression_tenant_id_email_hash` ON `suppressions` (`tenant_id`, `email_hash`);
-- Create index "suppression_tenant_id_reason_id" to table: "suppressions"
CREATE INDEX `suppression_tenant_id_reason_id` ON `suppressions` (`tenant_id`, `reason`, `id`);
-- Create index "suppression_tenant_id_email_key" to table: "suppressions"
CREATE INDEX `suppression_tenant_id_email_key` ON `suppressions` (`tenant_id`, `email_key`);
-- Create index "suppression_tenant_id_invitation_id" to table: "suppressions"
CREATE INDEX `suppression_tenant_id_invitation_id` ON `suppressions` (`tenant_id`, `invitation_id`);
-- Enable back the enforcement of foreign-keys constraints
PRAGMA foreign_keys = on;
