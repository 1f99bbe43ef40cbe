-- Modify "cells" table
ALTER TABLE "cells" ADD COLUMN "changed" bigint NOT NULL DEFAULT 0;
