-- Reports that are only counted, as they came: one row for each commit, until they are folded into the counts, the ids and the
-- rows that hold many. It never holds more than what came within a moment, so that it needs no index.

create table arrived (
  service text not null,
  node integer not null,
  number integer not null,
  door text not null,
  first_at integer not null,
  last_at integer not null,
  first_received integer not null,
  last_received integer not null,
  reports integer not null,
  body blob not null,
  primary key (service, node, number)
) strict, without rowid;
