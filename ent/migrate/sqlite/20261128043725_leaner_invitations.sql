-- Drop index `invitation_next_at` from table: `invitations`
DROP INDEX `invitation_next_at`;
-- Drop index `invitation_tenant_id_due_at_id` from table: `invitations`
DROP INDEX `invitation_tenant_id_due_at_id`;
-- Drop index `invitation_tenant_id_key_hash` from table: `invitations`
DROP INDEX `invitation_tenant_id_key_hash`;
-- Drop index `invitation_tenant_id_response_id` from table: `invitations`
DROP INDEX `invitation_tenant_id_response_id`;
-- Drop index `invitation_tenant_id_visitor_due_at` from table: `invitations`
DROP INDEX `invitation_tenant_id_visitor_due_at`;
-- Create index `invitation_next_at` to table: `invitations`
CREATE INDEX `invitation_next_at` ON `invitations` (`next_at`) WHERE next_at IS NOT NULL;
-- Create index `invitation_tenant_id_key_hash` to table: `invitations`
CREATE UNIQUE INDEX `invitation_tenant_id_key_hash` ON `invitations` (`tenant_id`, `key_hash`) WHERE key_hash IS NOT NULL;
-- Create index `invitation_tenant_id_response_id` to table: `invitations`
CREATE UNIQUE INDEX `invitation_tenant_id_response_id` ON `invitations` (`tenant_id`, `response_id`) WHERE response_id IS NOT NULL;
-- Create index `invitation_tenant_id_visitor_due_at` to table: `invitations`
CREATE INDEX `invitation_tenant_id_visitor_due_at` ON `invitations` (`tenant_id`, `visitor`, `due_at`) WHERE visitor IS NOT NULL;
