-- Each list that a page shows is found in an index, and nothing is walked through for it.

-- Pushes that one person or program began.
create index push_of_actor on push (actor, at);
-- Pushes that are under way or paused, among all that ever were.
create index push_in_state on push (state, at);
-- Flag changes of one person or program.
create index flag_change_of_actor on flag_change (actor, at);
-- The list of flags: how often each changed, and when last.
create index flag_change_of_flag on flag_change (service, environment, flag, at);
-- The list of regressions, newest first.
create index regression_by_time on regression (detected_at desc, number desc);
-- Regressions that still have to be minded: those that go on, and those that ran out of victims.
create index regression_to_mind on regression (ended_because, detected_at)
  where withdrawn_at is null and risk_closed_at is null;

drop index hold_of_push;
-- Holds on one push.
create index hold_of_push on hold (push, at);
-- Holds of one person.
create index hold_of_actor on hold (actor, at);
-- Holds that stand.
create index hold_that_stands on hold (at) where lifted_at is null;
drop index gate_asked_of_push;
-- What the gate answered before a step.
create index gate_asked_of_push on gate_asked (push, at);
drop index reply_of_push;
-- Replies beside the steps of one push.
create index reply_of_push on reply (push, step_at);
-- Replies of one person.
create index reply_of_person on reply (person, at);
