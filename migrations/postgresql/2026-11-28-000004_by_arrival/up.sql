-- What is asked every second or for every page, and went through whole tables.

-- Feeding the judge the pushes that were begun lately.
create index push_by_arrival on push (received_at);
-- Feeding the judge the steps of late.
create index step_by_arrival on push_step (received_at);
-- Feeding the judge the flag changes of late.
create index flag_change_by_arrival on flag_change (received_at);
-- Feeding the judge the notes of late.
create index note_by_arrival on note (received_at);
-- Feeding the judge what was declared of services lately.
create index declaration_by_arrival on declaration (received_at);
-- The steps of one push.
create index step_of_push on push_step (push, at);
drop index step_of_service;
-- The timeline of one service, and who took steps there.
create index step_of_service on push_step (service, at, actor);
-- Looking for pushes by name, newest first.
create index push_by_name on push (at desc, service, id, release);
drop index report_block_of_service;
-- The timeline of one service: rows after its range are passed over without being read.
create index report_block_of_service on report_block (service, last_at, first_at);
-- Dropping counts by the hour that are too old.
create index signature_hour_by_hour on signature_hour (hour);
