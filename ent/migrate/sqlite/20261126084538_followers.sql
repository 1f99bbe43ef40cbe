-- Create "followers" table
CREATE TABLE `followers` (`tenant_id` uuid NOT NULL, `kind` text NOT NULL, `id` uuid NOT NULL, `position` integer NOT NULL, `epoch` integer NOT NULL, `owner` uuid NULL, `lease_until` integer NOT NULL, PRIMARY KEY (`tenant_id`, `kind`, `id`)) WITHOUT ROWID;
