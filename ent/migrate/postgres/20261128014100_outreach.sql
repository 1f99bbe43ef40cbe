-- Modify "campaigns" table
ALTER TABLE "campaigns" ADD COLUMN "has_waiting" boolean NOT NULL DEFAULT false;
-- Modify "contacts" table
ALTER TABLE "contacts" ADD COLUMN "time_zone" character varying NULL;
-- Modify "tenants" table
ALTER TABLE "tenants" ADD COLUMN "quiet_days" bigint NOT NULL DEFAULT 30;
-- Create "contact_events" table
CREATE TABLE "contact_events" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "key_hash" bytea NOT NULL, "created_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"));
-- Create index "contactevent_tenant_id_key_hash" to table: "contact_events"
CREATE UNIQUE INDEX "contactevent_tenant_id_key_hash" ON "contact_events" ("tenant_id", "key_hash");
-- Create "monthly_counts" table
CREATE TABLE "monthly_counts" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "campaign" uuid NOT NULL, "month" bigint NOT NULL, "sent" bigint NOT NULL DEFAULT 0, PRIMARY KEY ("tenant_id", "id"));
-- Create index "monthlycount_tenant_id_campaign_month" to table: "monthly_counts"
CREATE UNIQUE INDEX "monthlycount_tenant_id_campaign_month" ON "monthly_counts" ("tenant_id", "campaign", "month");
-- Create "outreach" table
CREATE TABLE "outreach" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "monthly_budget" bigint NULL, "sender_name" character varying NULL, "sender_address" character varying NULL, "reply_to" character varying NULL, "postal_address" text NULL, "unconfirmed_address" character varying NULL, "code_hash" bytea NULL, "code_sent_at" timestamptz NULL, "code_tries" bigint NOT NULL DEFAULT 0, "tests_hour" bigint NOT NULL DEFAULT 0, "tests" bigint NOT NULL DEFAULT 0, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"));
-- Create index "outreach_tenant_id" to table: "outreach"
CREATE UNIQUE INDEX "outreach_tenant_id" ON "outreach" ("tenant_id");
-- Create "schedules" table
CREATE TABLE "schedules" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "campaign_id" uuid NOT NULL, "plan" uuid NOT NULL, "occasion" character varying NOT NULL, "at" timestamptz NULL, "over_days" bigint NULL, "every_months" bigint NULL, "start_on" integer NULL, "event" character varying NULL, "delay_minutes" bigint NULL, "segment_id" uuid NULL, "sample_percent" bigint NOT NULL, "monthly_budget" bigint NULL, "weekdays" bigint NOT NULL, "from_hour" bigint NOT NULL, "to_hour" bigint NOT NULL, "reminder_after_days" bigint NULL, "is_paused" boolean NOT NULL DEFAULT false, "passed_at" timestamptz NULL, "done_to" uuid NULL, "created_at" timestamptz NOT NULL, "updated_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "schedules_campaign_id" FOREIGN KEY ("tenant_id", "campaign_id") REFERENCES "campaigns" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT "schedules_segment_id" FOREIGN KEY ("tenant_id", "segment_id") REFERENCES "segments" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "schedule_tenant_id_campaign_id" to table: "schedules"
CREATE UNIQUE INDEX "schedule_tenant_id_campaign_id" ON "schedules" ("tenant_id", "campaign_id");
-- Create index "schedule_tenant_id_event" to table: "schedules"
CREATE INDEX "schedule_tenant_id_event" ON "schedules" ("tenant_id", "event");
-- Create index "schedule_tenant_id_segment_id" to table: "schedules"
CREATE INDEX "schedule_tenant_id_segment_id" ON "schedules" ("tenant_id", "segment_id");
-- Modify "invitations" table
ALTER TABLE "invitations" ADD COLUMN "reminded_at" timestamptz NULL, ADD COLUMN "delivered_at" timestamptz NULL, ADD COLUMN "bounced_at" timestamptz NULL, ADD COLUMN "bounce_kind" character varying NULL, ADD COLUMN "bounce_reason" text NULL, ADD COLUMN "complained_at" timestamptz NULL, ADD COLUMN "unsubscribed_at" timestamptz NULL, ADD COLUMN "plan" uuid NULL, ADD COLUMN "occasion" character varying NULL, ADD COLUMN "occurred_at" timestamptz NULL, ADD COLUMN "key_hash" bytea NULL, ADD COLUMN "ignores_quiet" boolean NOT NULL DEFAULT false, ADD COLUMN "next_at" timestamptz NULL, ADD COLUMN "attempt_at" timestamptz NULL, ADD COLUMN "reminder_attempt_at" timestamptz NULL, ADD COLUMN "attempts" bigint NOT NULL DEFAULT 0, ADD COLUMN "claimed_at" timestamptz NULL, ADD COLUMN "address_hash" character varying NULL, ADD COLUMN "asked_before" timestamptz NULL;
-- Create index "invitation_status" to table: "invitations"
CREATE INDEX "invitation_status" ON "invitations" ("tenant_id", "campaign_id", "status", "due_at", "id");
-- Create index "invitation_occasion" to table: "invitations"
CREATE UNIQUE INDEX "invitation_occasion" ON "invitations" ("tenant_id", "campaign_id", "contact_id", "occasion");
-- Create index "invitation_tenant_id_key_hash" to table: "invitations"
CREATE UNIQUE INDEX "invitation_tenant_id_key_hash" ON "invitations" ("tenant_id", "key_hash");
-- Create index "invitation_next_at" to table: "invitations"
CREATE INDEX "invitation_next_at" ON "invitations" ("next_at");
-- Create index "invitation_id" to table: "invitations"
CREATE INDEX "invitation_id" ON "invitations" ("id");
-- Create "suppressions" table
CREATE TABLE "suppressions" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "email" character varying NULL, "email_key" character varying NULL, "email_hash" character varying NOT NULL, "reason" character varying NOT NULL, "invitation_id" uuid NULL, "created_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "suppressions_invitation_id" FOREIGN KEY ("tenant_id", "invitation_id") REFERENCES "invitations" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "suppression_tenant_id_email_hash" to table: "suppressions"
CREATE UNIQUE INDEX "suppression_tenant_id_email_hash" ON "suppressions" ("tenant_id", "email_hash");
-- Create index "suppression_tenant_id_reason_id" to table: "suppressions"
CREATE INDEX "suppression_tenant_id_reason_id" ON "suppressions" ("tenant_id", "reason", "id");
-- Create index "suppression_tenant_id_email_key" to table: "suppressions"
CREATE INDEX "suppression_tenant_id_email_key" ON "suppressions" ("tenant_id", "email_key");
-- Create index "suppression_tenant_id_invitation_id" to table: "suppressions"
CREATE INDEX "suppression_tenant_id_invitation_id" ON "suppressions" ("tenant_id", "invitation_id");
