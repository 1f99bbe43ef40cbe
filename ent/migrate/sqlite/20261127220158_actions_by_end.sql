-- Create index "action_tenant_id_ended_on" to table: "actions"
CREATE INDEX `action_tenant_id_ended_on` ON `actions` (`tenant_id`, `ended_on`);
