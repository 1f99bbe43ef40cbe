-- Create index "invitation_tenant_id_next_at" to table: "invitations"
CREATE INDEX "invitation_tenant_id_next_at" ON "invitations" ("tenant_id", "next_at") WHERE next_at IS NOT NULL;
-- Modify "outreach" table
ALTER TABLE "outreach" ADD COLUMN "wrong_hour" bigint NOT NULL DEFAULT 0, ADD COLUMN "wrong_codes" bigint NOT NULL DEFAULT 0;
-- Modify "suppressions" table
ALTER TABLE "suppressions" ADD COLUMN "reason_before" character varying NULL, ADD COLUMN "invitation_before" uuid NULL;
