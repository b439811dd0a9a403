-- Reports that are kept whole get a number each, in the order of their arrival, and the table of ids leads to it: one index by
-- long ids less. The ids of reports that are there already are noted with their numbers right after this.

alter table report rename to report_before;
create table report (
  number integer not null primary key,
  service text not null,
  id text not null,
  environment text not null,
  release text,
  cell text not null,
  host text,
  peer_release text,
  at integer not null,
  received_at integer not null,
  signature integer not null,
  clients_dropped integer,
  standing text not null check (standing in ('crash', 'handled', 'message')),
  hash blob not null,
  dictionary integer not null,
  body blob not null
) strict;
insert into report (service, id, environment, release, cell, host, peer_release, at, received_at, signature, clients_dropped, standing, hash, dictionary, body)
  select service, id, environment, release, cell, host, peer_release, at, received_at, signature, clients_dropped, standing, hash, dictionary, body
  from report_before order by received_at;
drop table report_before;
-- The timeline of one service.
create index report_of_service on report (service, at);
-- The reports of one signature; its number says of which service.
create index report_of_signature on report (signature, at);
-- Feeding the judge what has arrived.
create index report_by_arrival on report (received_at);
alter table counted add column report integer;
