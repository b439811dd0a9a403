alter table counted drop column report;
alter table report rename to report_after;
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
insert into report (service, id, environment, release, cell, host, peer_release, at, received_at, signature, clients_dropped, standing, hash, dictionary, body)
  select service, id, environment, release, cell, host, peer_release, at, received_at, signature, clients_dropped, standing, hash, dictionary, body
  from report_after;
drop table report_after;
create index report_of_service on report (service, at);
create index report_of_signature on report (service, signature, at);
create index report_by_arrival on report (received_at);
