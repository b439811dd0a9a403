-- Reports that are only counted, as they came: one row for each commit, until they are folded into the counts, the ids and the
-- rows that hold many. It never holds more than what came within a moment, so that it needs no index.

create table arrived (
  service text not null,
  node bigint not null,
  number bigint not null,
  door text not null,
  first_at bigint not null,
  last_at bigint not null,
  first_received bigint not null,
  last_received bigint not null,
  reports bigint not null,
  body bytea not null,
  primary key (service, node, number)
);
