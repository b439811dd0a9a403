-- Ids of reports are noted by the second that their senders wrote into them: those that come together lie beside each other. Of a
-- report that is kept whole that is the column slot; without one, as for all that are there already, the id is noted by itself.

alter table report add column slot bigint;
