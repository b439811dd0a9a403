-- Reports that are kept whole, without what other tables know; reports that are only counted, many in one row; counts for
-- charts by the minute and for search by the hour.

create table dictionary (
  number bigint not null primary key,
  trained_at bigint not null,
  reports bigint not null,
  body bytea not null
);

drop index signature_by_time;
alter table signature rename to signature_before;
create table signature (
  service text not null,
  title text not null,
  number bigint not null,
  first_at bigint not null,
  last_at bigint not null,
  crashes bigint not null,
  handled bigint not null,
  clients bigint not null,
  last_id text not null,
  primary key (service, title)
);
insert into signature (service, title, number, first_at, last_at, crashes, handled, clients, last_id)
  select service, title, row_number() over (order by service, title), first_at, last_at, crashes, handled, clients, last_id
  from signature_before;
drop table signature_before;
-- The list of signatures, latest first.
create index signature_by_time on signature (last_at desc);
-- The list of one service's signatures, latest first.
create index signature_of_service on signature (service, last_at desc);
-- The titles of the signatures that reports name by number.
create index signature_by_number on signature (service, number);

create table report (
  service text not null,
  id text not null,
  environment text not null,
  release text,
  cell text not null,
  host text,
  peer_release text,
  at bigint not null,
  received_at bigint not null,
  signature bigint not null,
  clients_dropped bigint,
  standing text not null check (standing in ('crash', 'handled', 'message')),
  hash bytea not null,
  dictionary bigint not null,
  body bytea not null,
  primary key (service, id)
);
insert into report (service, id, environment, release, cell, host, at, received_at, signature, clients_dropped, standing, hash, dictionary, body)
  select crash.service, id, environment, release, cell, host, at, received_at, number, clients_dropped, standing, hash, 0, body
  from crash join signature on signature.service = crash.service and signature.title = crash.signature;
-- The timeline of one service.
create index report_of_service on report (service, at);
-- The reports of one signature.
create index report_of_signature on report (service, signature, at);
-- Feeding the judge what has arrived.
create index report_by_arrival on report (received_at);

create table report_block (
  service text not null,
  block bytea not null,
  first_at bigint not null,
  last_at bigint not null,
  first_received bigint not null,
  last_received bigint not null,
  reports bigint not null,
  body bytea not null,
  primary key (service, block)
);
-- The timeline of one service.
create index report_block_of_service on report_block (service, last_at);
-- Feeding the judge what has arrived.
create index report_block_by_arrival on report_block (last_received);

create table counted (
  service text not null,
  id bigint not null,
  primary key (service, id)
);

create table crash_minute (
  service text not null,
  environment text not null,
  minute bigint not null,
  release text not null,
  cell text not null,
  crashes bigint not null,
  clients bigint not null,
  primary key (service, environment, minute, release, cell)
);
insert into crash_minute (service, environment, minute, release, cell, crashes, clients)
  select service, environment, at - at % 60000000, coalesce(release, ''), cell, count(case standing when 'crash' then 1 end),
    coalesce(sum(case standing when 'crash' then clients_dropped end), 0)
  from crash group by 1, 2, 3, 4, 5;

create table signature_hour (
  service text not null,
  signature bigint not null,
  hour bigint not null,
  environment text not null,
  release text not null,
  crashes bigint not null,
  handled bigint not null,
  clients bigint not null,
  primary key (service, signature, hour, environment, release)
);
insert into signature_hour (service, signature, hour, environment, release, crashes, handled, clients)
  select service, signature, at - at % 3600000000, environment, coalesce(release, ''),
    count(case standing when 'crash' then 1 end), count(case standing when 'crash' then null else 1 end),
    coalesce(sum(clients_dropped), 0)
  from report group by 1, 2, 3, 4, 5;

drop table crash;
