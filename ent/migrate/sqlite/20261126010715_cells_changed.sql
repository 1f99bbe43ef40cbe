-- Add column "changed" to table: "cells"
ALTER TABLE `cells` ADD COLUMN `changed` integer NOT NULL DEFAULT 0;
