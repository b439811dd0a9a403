-- Times are microseconds since 1970, UTC. Hot tables have the service first in their key, so that it can be the shard key.
-- `body` is the record's own line as it is given back by an export; the columns beside it are what queries need.

create table person (
  id text not null primary key,
  email text not null unique,
  name text not null,
  team text,
  role text not null check (role in ('viewer', 'member', 'auditor', 'administrator')),
  password_hash text,
  auth_epoch integer not null,
  created_at integer not null,
  disabled_at integer
) strict;

create table session (
  token_hash blob not null primary key,
  person text not null references person (id),
  csrf text not null,
  auth_epoch integer not null,
  created_at integer not null,
  seen_at integer not null,
  expires_at integer not null
) strict;

create table invitation (
  token_hash blob not null primary key,
  person text references person (id),
  created_at integer not null,
  expires_at integer not null,
  used_at integer
) strict;

create table token (
  id text not null primary key,
  name text not null,
  token_hash blob not null unique,
  prefix text not null,
  scopes text not null,
  created_by text not null,
  created_at integer not null,
  expires_at integer,
  used_at integer,
  revoked_at integer
) strict;

create table service (
  slug text not null primary key,
  project integer not null unique,
  public_key text not null unique,
  name text,
  team text,
  owner text,
  depends_on text not null,
  tag_names text not null,
  created_at integer not null
) strict;

create table declaration (
  service text not null,
  hash blob not null,
  received_at integer not null,
  body text not null,
  primary key (service, hash)
) strict, without rowid;

create table push (
  service text not null,
  id text not null unique,
  environment text not null,
  release text not null,
  previous text,
  kind text not null,
  actor text not null,
  at integer not null,
  received_at integer not null,
  hash blob not null,
  body text not null,
  state text not null,
  percent real not null,
  since integer,
  bad_at integer,
  bad_by text,
  bad_reason text,
  primary key (service, id)
) strict;
-- The list of pushes, newest first.
create index push_by_time on push (at desc);
-- The timeline of one service.
create index push_of_service on push (service, environment, at);

create table push_step (
  service text not null,
  push text not null,
  hash blob not null,
  at integer not null,
  received_at integer not null,
  actor text not null,
  action text not null,
  percent real,
  body text not null,
  primary key (service, push, hash)
) strict, without rowid;
-- The timeline of one service.
create index step_of_service on push_step (service, at);
-- All steps of one person.
create index step_of_actor on push_step (actor, at);

create table flag_change (
  service text not null,
  change text not null unique,
  environment text not null,
  flag text not null,
  at integer not null,
  received_at integer not null,
  actor text not null,
  hash blob not null,
  body text not null,
  primary key (service, change)
) strict;
-- Recent flag changes, newest first.
create index flag_change_by_time on flag_change (at desc);
-- The timeline of one service, and the history of one flag.
create index flag_change_of_service on flag_change (service, flag, at);

create table exposure (
  service text not null,
  environment text not null,
  at integer not null,
  hash blob not null,
  release text not null,
  cell text not null,
  received_at integer not null,
  seconds real not null,
  instances real not null,
  sessions real,
  rest text,
  primary key (service, environment, at, hash)
) strict, without rowid;
-- Feeding the judge what has arrived.
create index exposure_by_arrival on exposure (received_at);

create table crash (
  service text not null,
  id text not null,
  environment text not null,
  release text,
  cell text not null,
  host text,
  at integer not null,
  received_at integer not null,
  signature text not null,
  clients_dropped integer,
  standing text not null check (standing in ('crash', 'handled', 'message')),
  hash blob not null,
  body blob not null,
  primary key (service, id)
) strict;
-- The timeline of one service.
create index crash_of_service on crash (service, environment, at);
-- The reports of one signature.
create index crash_of_signature on crash (service, signature, at);
-- Feeding the judge what has arrived.
create index crash_by_arrival on crash (received_at);

create table signature (
  service text not null,
  title text not null,
  first_at integer not null,
  last_at integer not null,
  crashes integer not null,
  handled integer not null,
  clients integer not null,
  last_id text not null,
  primary key (service, title)
) strict, without rowid;
-- The list of signatures, latest first.
create index signature_by_time on signature (last_at desc);

create table note (
  hash blob not null primary key,
  service text,
  push text,
  at integer not null,
  received_at integer not null,
  actor text not null,
  body text not null
) strict, without rowid;
-- Notes on one service's timeline.
create index note_of_service on note (service, at);

create table hold (
  id text not null primary key,
  service text not null,
  push text not null,
  at integer not null,
  actor text not null,
  reason text not null,
  lifted_at integer,
  lifted_by text,
  lifted_reason text
) strict;
-- Holds on one push.
create index hold_of_push on hold (service, push, at);

create table gate_asked (
  id text not null primary key,
  service text not null,
  push text not null,
  at integer not null,
  actor text not null,
  decision text not null,
  reasons text not null
) strict;
-- What the gate answered before a step.
create index gate_asked_of_push on gate_asked (service, push, at);

create table sighting (
  regression text not null,
  person text not null,
  first_at integer not null,
  last_at integer not null,
  times integer not null,
  primary key (regression, person)
) strict, without rowid;

create table reply (
  id text not null primary key,
  service text not null,
  push text not null,
  step_at integer not null,
  person text not null,
  at integer not null,
  words text not null
) strict;
-- Replies beside the steps of one push.
create index reply_of_push on reply (service, push, step_at);

create table regression (
  id text not null primary key,
  number integer not null unique,
  key text not null unique,
  service text not null,
  environment text not null,
  kind text not null,
  onset_at integer not null,
  detected_at integer not null,
  ended_at integer,
  ended_because text,
  withdrawn_at integer,
  blamed_kind text,
  blamed_id text,
  said_at integer not null,
  body text not null,
  evidence text not null,
  risk_owner text,
  risk_closed_at integer,
  risk_closed_by text,
  risk_reason text
) strict;
-- The regressions of one service's timeline.
create index regression_of_service on regression (service, environment, onset_at);
-- The regressions that one change is blamed for.
create index regression_of_change on regression (blamed_id);

create table said (
  regression text not null,
  number integer not null,
  at integer not null,
  body text not null,
  primary key (regression, number)
) strict, without rowid;

create table continuation (
  regression text not null,
  subject text not null,
  step_at integer not null,
  service text not null,
  environment text not null,
  kind text not null check (kind in ('push', 'flag_change')),
  actor text not null,
  known text not null,
  counted integer not null,
  body text not null,
  primary key (regression, subject, step_at)
) strict, without rowid;
-- Who continued, by time.
create index continuation_by_time on continuation (step_at);
-- One person's continuations.
create index continuation_of_actor on continuation (actor, step_at);
-- The continuations of one push, for its page.
create index continuation_of_subject on continuation (subject, step_at);

create table incident (
  id text not null primary key,
  number integer not null unique,
  title text not null,
  severity text not null,
  service text not null,
  environment text not null,
  regression text,
  opened_at integer not null,
  opened_by text not null,
  status text not null,
  owner text not null,
  changed_at integer not null,
  revision integer not null,
  reviewed_by text,
  reviewed_at integer,
  published_by text,
  published_at integer
) strict;
-- The incidents opened from one regression.
create index incident_of_regression on incident (regression);

create table revision (
  incident text not null references incident (id),
  number integer not null,
  at integer not null,
  actor text not null,
  title text not null,
  sections text not null,
  primary key (incident, number)
) strict, without rowid;

create table action_item (
  id text not null primary key,
  incident text not null references incident (id),
  words text not null,
  kind text not null,
  owner text not null,
  due_at integer not null,
  proof text not null,
  state text not null check (state in ('open', 'done', 'dropped')),
  created_at integer not null,
  created_by text not null,
  ended_at integer,
  ended_by text,
  ended_reason text
) strict;
-- The action items of one incident.
create index action_item_of_incident on action_item (incident, created_at);

create table ledger_entry (
  seq integer not null primary key,
  at integer not null,
  kind text not null,
  actor text not null,
  auth text not null,
  subject text not null,
  commitment blob not null,
  leaf_hash blob not null,
  payload text,
  salt blob
) strict;
-- The entries about one thing.
create index ledger_entry_of_subject on ledger_entry (subject, seq);

create table ledger_head (
  name text not null primary key,
  size integer not null,
  frontier blob not null,
  root blob not null,
  at integer not null
) strict;

create table outcome (
  service text not null,
  minute integer not null,
  door text not null,
  reason text not null,
  reports integer not null,
  primary key (service, minute, door, reason)
) strict, without rowid;

create table setting (
  name text not null primary key,
  value text not null
) strict;

create table lease (
  name text not null primary key,
  holder text not null,
  epoch integer not null,
  expires_at integer not null
) strict;
