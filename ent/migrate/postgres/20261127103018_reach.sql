-- Modify "surveys" table
ALTER TABLE "surveys" ADD COLUMN "widget" json NULL;
-- Modify "contacts" table
ALTER TABLE "contacts" ADD COLUMN "last_asked_at" timestamptz NULL;
-- Create "invitations" table
CREATE TABLE "invitations" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "campaign_id" uuid NOT NULL, "contact_id" uuid NULL, "channel" character varying NOT NULL, "status" character varying NOT NULL, "skipped_because" character varying NULL, "variant" character varying NULL, "locale" character varying NOT NULL, "traits" json NOT NULL, "visitor" bytea NULL, "due_at" timestamptz NOT NULL, "sent_at" timestamptz NULL, "response_id" uuid NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "invitations_campaign_id" FOREIGN KEY ("tenant_id", "campaign_id") REFERENCES "campaigns" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT "invitations_contact_id" FOREIGN KEY ("tenant_id", "contact_id") REFERENCES "contacts" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT "invitations_response_id" FOREIGN KEY ("tenant_id", "response_id") REFERENCES "responses" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "invitation_tenant_id_due_at_id" to table: "invitations"
CREATE INDEX "invitation_tenant_id_due_at_id" ON "invitations" ("tenant_id", "due_at", "id");
-- Create index "invitation_tenant_id_campaign_id_due_at_id" to table: "invitations"
CREATE INDEX "invitation_tenant_id_campaign_id_due_at_id" ON "invitations" ("tenant_id", "campaign_id", "due_at", "id");
-- Create index "invitation_tenant_id_contact_id_due_at_id" to table: "invitations"
CREATE INDEX "invitation_tenant_id_contact_id_due_at_id" ON "invitations" ("tenant_id", "contact_id", "due_at", "id");
-- Create index "invitation_tenant_id_response_id" to table: "invitations"
CREATE UNIQUE INDEX "invitation_tenant_id_response_id" ON "invitations" ("tenant_id", "response_id");
-- Create index "invitation_tenant_id_campaign_id_visitor_due_at" to table: "invitations"
CREATE INDEX "invitation_tenant_id_campaign_id_visitor_due_at" ON "invitations" ("tenant_id", "campaign_id", "visitor", "due_at");
-- Create "provisional_answers" table
CREATE TABLE "provisional_answers" ("tenant_id" uuid NOT NULL, "id" uuid NOT NULL, "campaign_id" uuid NOT NULL, "recipient" bytea NOT NULL, "contact_id" uuid NULL, "invitation_id" uuid NULL, "score" smallint NULL, "opened" json NOT NULL, "opens" bigint NOT NULL, "signs" json NOT NULL, "is_suspect" boolean NOT NULL, "answer" json NULL, "judged_at" timestamptz NULL, "first_opened_at" timestamptz NOT NULL, "last_opened_at" timestamptz NOT NULL, PRIMARY KEY ("tenant_id", "id"), CONSTRAINT "provisional_answers_campaign_id" FOREIGN KEY ("tenant_id", "campaign_id") REFERENCES "campaigns" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION, CONSTRAINT "provisional_answers_contact_id" FOREIGN KEY ("tenant_id", "contact_id") REFERENCES "contacts" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE CASCADE, CONSTRAINT "provisional_answers_invitation_id" FOREIGN KEY ("tenant_id", "invitation_id") REFERENCES "invitations" ("tenant_id", "id") ON UPDATE NO ACTION ON DELETE NO ACTION);
-- Create index "provisionalanswer_tenant_id_recipient_campaign_id" to table: "provisional_answers"
CREATE UNIQUE INDEX "provisionalanswer_tenant_id_recipient_campaign_id" ON "provisional_answers" ("tenant_id", "recipient", "campaign_id");
-- Create index "provisionalanswer_tenant_id_campaign_id_last_opened_at_id" to table: "provisional_answers"
CREATE INDEX "provisionalanswer_tenant_id_campaign_id_last_opened_at_id" ON "provisional_answers" ("tenant_id", "campaign_id", "last_opened_at", "id");
-- Create index "provisionalanswer_suspect" to table: "provisional_answers"
CREATE INDEX "provisionalanswer_suspect" ON "provisional_answers" ("tenant_id", "campaign_id", "is_suspect", "last_opened_at", "id");
-- Create index "provisionalanswer_tenant_id_contact_id" to table: "provisional_answers"
CREATE INDEX "provisionalanswer_tenant_id_contact_id" ON "provisional_answers" ("tenant_id", "contact_id");
-- Create index "provisionalanswer_judged_at" to table: "provisional_answers"
CREATE INDEX "provisionalanswer_judged_at" ON "provisional_answers" ("judged_at");
-- Create index "provisionalanswer_last_opened_at" to table: "provisional_answers"
CREATE INDEX "provisionalanswer_last_opened_at" ON "provisional_answers" ("last_opened_at");
