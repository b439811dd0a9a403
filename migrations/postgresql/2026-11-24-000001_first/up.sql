-- Times are microseconds since 1970, UTC. Hot tables have the service first in their key, so that it can be the shard key.
-- `body` is the record's own line as it is given back by an export; the columns beside it are what queries need.

create table person (
  id text not null primary key,
  email text not null unique,
  name text not null,
  team text,
  role text not null check (role in ('viewer', 'member', 'auditor', 'administrator')),
  password_hash text,
  auth_epoch bigint not null,
  created_at bigint not null,
  disabled_at bigint
);

create table session (
  token_hash bytea not null primary key,
  person text not null references person (id),
  csrf text not null,
  auth_epoch bigint not null,
  created_at bigint not null,
  seen_at bigint not null,
  expires_at bigint not null
);

create table invitation (
  token_hash bytea not null primary key,
  person text references person (id),
  created_at bigint not null,
  expires_at bigint not null,
  used_at bigint
);

create table token (
  id text not null primary key,
  name text not null,
  token_hash bytea not null unique,
  prefix text not null,
  scopes text not null,
  created_by text not null,
  created_at bigint not null,
  expires_at bigint,
  used_at bigint,
  revoked_at bigint
);

create table service (
  slug text not null primary key,
  project bigint not null unique,
  public_key text not null unique,
  name text,
  team text,
  owner text,
  depends_on text not null,
  tag_names text not null,
  created_at bigint not null
);

create table declaration (
  service text not null,
  hash bytea not null,
  received_at bigint not null,
  body text not null,
  primary key (service, hash)
);

create table push (
  service text not null,
  id text not null unique,
  environment text not null,
  release text not null,
  previous text,
  kind text not null,
  actor text not null,
  at bigint not null,
  received_at bigint not null,
  hash bytea not null,
  body text not null,
  state text not null,
  percent double precision not null,
  since bigint,
  bad_at bigint,
  bad_by text,
  bad_reason text,
  primary key (service, id)
);
-- The list of pushes, newest first.
create index push_by_time on push (at desc);
-- The timeline of one service.
create index push_of_service on push (service, environment, at);

create table push_step (
  service text not null,
  push text not null,
  hash bytea not null,
  at bigint not null,
  received_at bigint not null,
  actor text not null,
  action text not null,
  percent double precision,
  body text not null,
  primary key (service, push, hash)
);
-- The timeline of one service.
create index step_of_service on push_step (service, at);
-- All steps of one person.
create index step_of_actor on push_step (actor, at);

create table flag_change (
  service text not null,
  change text not null unique,
  environment text not null,
  flag text not null,
  at bigint not null,
  received_at bigint not null,
  actor text not null,
  hash bytea not null,
  body text not null,
  primary key (service, change)
);
-- Recent flag changes, newest first.
create index flag_change_by_time on flag_change (at desc);
-- The timeline of one service, and the history of one flag.
create index flag_change_of_service on flag_change (service, flag, at);

create table exposure (
  service text not null,
  environment text not null,
  at bigint not null,
  hash bytea not null,
  release text not null,
  cell text not null,
  received_at bigint not null,
  seconds double precision not null,
  instances double precision not null,
  sessions double precision,
  rest text,
  primary key (service, environment, at, hash)
);
-- Feeding the judge what has arrived.
create index exposure_by_arrival on exposure (received_at);

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
-- The timeline of one service.
create index crash_of_service on crash (service, environment, at);
-- The reports of one signature.
create index crash_of_signature on crash (service, signature, at);
-- Feeding the judge what has arrived.
create index crash_by_arrival on crash (received_at);

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
-- The list of signatures, latest first.
create index signature_by_time on signature (last_at desc);

create table note (
  hash bytea not null primary key,
  service text,
  push text,
  at bigint not null,
  received_at bigint not null,
  actor text not null,
  body text not null
);
-- Notes on one service's timeline.
create index note_of_service on note (service, at);

create table hold (
  id text not null primary key,
  service text not null,
  push text not null,
  at bigint not null,
  actor text not null,
  reason text not null,
  lifted_at bigint,
  lifted_by text,
  lifted_reason text
);
-- Holds on one push.
create index hold_of_push on hold (service, push, at);

create table gate_asked (
  id text not null primary key,
  service text not null,
  push text not null,
  at bigint not null,
  actor text not null,
  decision text not null,
  reasons text not null
);
-- What the gate answered before a step.
create index gate_asked_of_push on gate_asked (service, push, at);

create table sighting (
  regression text not null,
  person text not null,
  first_at bigint not null,
  last_at bigint not null,
  times bigint not null,
  primary key (regression, person)
);

create table reply (
  id text not null primary key,
  service text not null,
  push text not null,
  step_at bigint not null,
  person text not null,
  at bigint not null,
  words text not null
);
-- Replies beside the steps of one push.
create index reply_of_push on reply (service, push, step_at);

create table regression (
  id text not null primary key,
  number bigint not null unique,
  key text not null unique,
  service text not null,
  environment text not null,
  kind text not null,
  onset_at bigint not null,
  detected_at bigint not null,
  ended_at bigint,
  ended_because text,
  withdrawn_at bigint,
  blamed_kind text,
  blamed_id text,
  said_at bigint not null,
  body text not null,
  evidence text not null,
  risk_owner text,
  risk_closed_at bigint,
  risk_closed_by text,
  risk_reason text
);
-- The regressions of one service's timeline.
create index regression_of_service on regression (service, environment, onset_at);
-- The regressions that one change is blamed for.
create index regression_of_change on regression (blamed_id);

create table said (
  regression text not null,
  number bigint not null,
  at bigint not null,
  body text not null,
  primary key (regression, number)
);

create table continuation (
  regression text not null,
  subject text not null,
  step_at bigint not null,
  service text not null,
  environment text not null,
  kind text not null check (kind in ('push', 'flag_change')),
  actor text not null,
  known text not null,
  counted bigint not null,
  body text not null,
  primary key (regression, subject, step_at)
);
-- Who continued, by time.
create index continuation_by_time on continuation (step_at);
-- One person's continuations.
create index continuation_of_actor on continuation (actor, step_at);
-- The continuations of one push, for its page.
create index continuation_of_subject on continuation (subject, step_at);

create table incident (
  id text not null primary key,
  number bigint not null unique,
  title text not null,
  severity text not null,
  service text not null,
  environment text not null,
  regression text,
  opened_at bigint not null,
  opened_by text not null,
  status text not null,
  owner text not null,
  changed_at bigint not null,
  revision bigint not null,
  reviewed_by text,
  reviewed_at bigint,
  published_by text,
  published_at bigint
);
-- The incidents opened from one regression.
create index incident_of_regression on incident (regression);

create table revision (
  incident text not null references incident (id),
  number bigint not null,
  at bigint not null,
  actor text not null,
  title text not null,
  sections text not null,
  primary key (incident, number)
);

create table action_item (
  id text not null primary key,
  incident text not null references incident (id),
  words text not null,
  kind text not null,
  owner text not null,
  due_at bigint not null,
  proof text not null,
  state text not null check (state in ('open', 'done', 'dropped')),
  created_at bigint not null,
  created_by text not null,
  ended_at bigint,
  ended_by text,
  ended_reason text
);
-- The action items of one incident.
create index action_item_of_incident on action_item (incident, created_at);

create table ledger_entry (
  seq bigint not null primary key,
  at bigint not null,
  kind text not null,
  actor text not null,
  auth text not null,
  subject text not null,
  commitment bytea not null,
  leaf_hash bytea not null,
  payload text,
  salt bytea
);
-- The entries about one thing.
create index ledger_entry_of_subject on ledger_entry (subject, seq);

create table ledger_head (
  name text not null primary key,
  size bigint not null,
  frontier bytea not null,
  root bytea not null,
  at bigint not null
);

create table outcome (
  service text not null,
  minute bigint not null,
  door text not null,
  reason text not null,
  reports bigint not null,
  primary key (service, minute, door, reason)
);

create table setting (
  name text not null primary key,
  value text not null
);

create table lease (
  name text not null primary key,
  holder text not null,
  epoch bigint not null,
  expires_at bigint not null
);
