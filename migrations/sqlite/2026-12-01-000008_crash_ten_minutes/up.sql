-- Crashes by ten minutes, beside those by the minute: a picture of days in a storm reads a tenth as many rows.

create table crash_ten_minutes (
  service text not null,
  environment text not null,
  begins integer not null,
  release text not null,
  cell text not null,
  crashes integer not null,
  clients integer not null,
  primary key (service, environment, begins, release, cell)
) strict, without rowid;
insert into crash_ten_minutes (service, environment, begins, release, cell, crashes, clients)
  select service, environment, minute - minute % 600000000, release, cell, sum(crashes), sum(clients)
  from crash_minute group by 1, 2, 3, 4, 5;
