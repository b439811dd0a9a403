-- What a service asks of its own pushes: JSON, every field optional.
alter table service add column policy text not null default '{}';

-- What somebody, or a test, reported of two releases that ran side by side.
create table pair_report (
  service text not null,
  id text not null,
  release text not null,
  peer_release text not null,
  verdict text not null check (verdict in ('no_harm_seen', 'harmful', 'lethal')),
  at integer not null,
  actor text not null,
  note text,
  url text,
  primary key (service, id)
) strict;
-- What is known of the releases of one service, newest first.
create index pair_of_service on pair_report (service, at desc);
