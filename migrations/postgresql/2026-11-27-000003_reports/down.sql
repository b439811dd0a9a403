-- Only what was kept whole goes back into the form that knew nothing else (and what was written since needs the newer
-- program to be read); what was only counted stays in the sums of its
-- signature.
create table crash (
  service text not null,
  id text not null,
  environment text not null,
  release text,
  cell text not null,
  host text,
  at bigint not null,
  received_at bigint not null,
  signature text not null,
  clients_dropped bigint,
  standing text not null check (standing in ('crash', 'handled', 'message')),
  hash bytea not null,
  body bytea not null,
  primary key (service, id)
);
insert into crash (service, id, environment, release, cell, host, at, received_at, signature, clients_dropped, standing, hash, body)
  select report.service, id, environment, release, cell, host, at, received_at, title, clients_dropped, standing, hash, body
  from report join signature on signature.service = report.service and signature.number = report.signature
  where dictionary = 0;
create index crash_of_service on crash (service, environment, at);
create index crash_of_signature on crash (service, signature, at);
create index crash_by_arrival on crash (received_at);

drop table signature_hour;
drop table crash_minute;
drop table counted;
drop table report_block;
drop table report;
drop table dictionary;
drop index signature_by_number;
drop index signature_of_service;
drop index signature_by_time;
alter table signature rename to signature_after;
create table signature (
  service text not null,
  title text not null,
  first_at bigint not null,
  last_at bigint not null,
  crashes bigint not null,
  handled bigint not null,
  clients bigint not null,
  last_id text not null,
  primary key (service, title)
);
insert into signature (service, title, first_at, last_at, crashes, handled, clients, last_id)
  select service, title, first_at, last_at, crashes, handled, clients, last_id from signature_after;
drop table signature_after;
create index signature_by_time on signature (last_at desc);
