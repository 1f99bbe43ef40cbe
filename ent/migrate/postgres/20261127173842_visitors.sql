-- Drop index "invitation_tenant_id_campaign_id_visitor_due_at" from table: "invitations"
DROP INDEX "invitation_tenant_id_campaign_id_visitor_due_at";
-- Create index "invitation_tenant_id_visitor_due_at" to table: "invitations"
CREATE INDEX "invitation_tenant_id_visitor_due_at" ON "invitations" ("tenant_id", "visitor", "due_at");
