//! The demo: the told story in a database that is thrown away, with what people did beside the record.
//!
//! The history file has no line for a hold, a look at a page, or a question to the gate; those are done here through the
//! same flows that pages use, at the story's times.

use crate::{
    clock::Clock,
    config::{Config, Kept},
    console::{Failure, start_log},
    domain::{Record, Time, access::Role, time},
    flows::{
        self,
        administer::{self, NewPerson},
        ask_gate, change_push, hold_push, import_history, judge_history, mind_risk,
    },
    judge::{Judge, Settings},
    serve::Application,
    store::{Actor, Store},
    story,
};
use std::{io::BufReader, net::SocketAddr};

/// When the demo begins: a little after the last A went away.
pub const NOW: &str = "2026-03-03T07:42:00Z";

const PEOPLE: [(&str, &str, &str, Role); 7] = [
    ("lee@example.com", "Lee", "edge", Role::Administrator),
    ("dana@example.com", "Dana", "transport", Role::Member),
    ("sam@example.com", "Sam", "billing", Role::Member),
    ("kim@example.com", "Kim", "web", Role::Member),
    ("noor@example.com", "Noor", "search", Role::Member),
    ("priya@example.com", "Priya", "ledger", Role::Auditor),
    ("amir@example.com", "Amir", "media", Role::Viewer),
];

/// Loads the story into an empty database and lets its people act.
pub fn load(store: &Store) -> Result<(), flows::Error> {
    let records = import_history::read_history(BufReader::new(story::TOLD.as_bytes()))?;
    let begun = at("2026-03-02T05:30:00Z");
    let console = Actor::console();
    for (email, name, team, role) in PEOPLE {
        let new = NewPerson { email, name: Some(name), team: Some(team), role, password: None };
        administer::add_person(store, &console, new, begun)?;
    }
    import_history::import_history(
        store,
        &Actor { id: "told-story".into(), auth: "import".into() },
        records.clone(),
        begun,
    )?;
    act(store, records)
}

fn at(text: &str) -> Time {
    time::parse(text).expect("the demo's own times are written in RFC 3339")
}

/// Feeds the judge up to each moment at which somebody did something, and does it then.
fn act(store: &Store, mut records: Vec<Record>) -> Result<(), flows::Error> {
    Record::sort_by_arrival(&mut records);
    let mut rest = records.into_iter().peekable();
    let mut judge = Judge::new(Settings::default());
    let clerk = judge_history::Clerk::new(store.clone(), None);
    let mut feed_to = |judge: &mut Judge, until: Time| -> Result<(), flows::Error> {
        while let Some(record) = rest.next_if(|record| record.received_at() <= until) {
            judge.observe(&record);
        }
        judge.pass(until);
        judge_history::keep_sayings(&clerk, &judge.said(), until).map(drop)
    };
    let who = |email: &str| -> Result<Actor, flows::Error> {
        let person = store.read::<_, flows::Error>(|read| Ok(read.person_by_email(email)?))?;
        Ok(Actor { id: person.map(|person| person.id).unwrap_or_default(), auth: "demo".into() })
    };
    let (dana, lee) = ("dana@example.com", "lee@example.com");
    let push = "relay-118";
    let look = |person: &str, now: Time| -> Result<(), flows::Error> {
        let ids: Vec<String> = store.read::<_, flows::Error>(|read| {
            Ok(read.regressions_blamed_on(push)?.into_iter().map(|it| it.finding.id).collect())
        })?;
        mind_risk::see(store, person, &ids, now)
    };
    feed_to(&mut judge, at("2026-03-03T03:58:00Z"))?;
    look(dana, at("2026-03-03T03:58:00Z"))?;
    feed_to(&mut judge, at("2026-03-03T05:21:20Z"))?;
    ask_gate::ask_gate(store, &judge, &who(dana)?, dana, push, None, at("2026-03-03T05:21:20Z"))?;
    feed_to(&mut judge, at("2026-03-03T05:27:00Z"))?;
    look(lee, at("2026-03-03T05:27:00Z"))?;
    feed_to(&mut judge, at("2026-03-03T05:33:00Z"))?;
    let seen = "edge loses clients each time a relay A dies. Please stop and look.";
    hold_push::hold_push(store, &who(lee)?, lee, push, seen, at("2026-03-03T05:33:00Z"))?;
    feed_to(&mut judge, at(NOW))?;
    let steps = store.read::<_, flows::Error>(|read| Ok(read.steps(push)?))?;
    let words = [
        (
            25.0,
            "I had the page open. I read “collateral” as “the old ones are fragile”, and the old ones were going away anyway. B was clean on every graph I knew how to read. The demo was the next morning.",
            "2026-03-03T07:20:00Z",
        ),
        (
            75.0,
            "I saw Lee’s hold. By then I was sure that the quickest way to help edge was to be done. At 10 % I had not looked at what going back would cost. It was next to nothing.",
            "2026-03-03T07:26:00Z",
        ),
    ];
    for (percent, words, written) in words {
        if let Some(step) = steps.iter().find(|step| step.percent.is_some_and(|it| it.value() == percent)) {
            change_push::reply(store, &who(dana)?, dana, push, step.at, words, at(written))?;
        }
    }
    Ok(())
}

/// Serves the story until told to stop; the database goes with it.
pub fn run(listen: SocketAddr, base_url: Option<String>) -> Result<(), Failure> {
    start_log();
    if !listen.ip().is_loopback() {
        return Err(Failure(format!(
            "the demo signs in whoever opens it, so it listens on this machine only, not on {listen}. Leave --listen out, or name a port on 127.0.0.1"
        )));
    }
    let folder =
        std::env::temp_dir().join(format!("pushback-demo-{}", crate::secret::hex(&crate::secret::random::<6>())));
    std::fs::create_dir(&folder)?;
    let served = serve(listen, base_url, &folder);
    std::fs::remove_dir_all(&folder)?;
    served
}

fn serve(listen: SocketAddr, base_url: Option<String>, folder: &std::path::Path) -> Result<(), Failure> {
    let database = format!("sqlite:{}", folder.join("demo.sqlite3").display());
    let store = Store::open(&database)?;
    load(&store)?;
    let config = Config { listen, database, base_url, kept: Kept::default(), demo: true };
    actix_web::rt::System::new().block_on(async move {
        let application = Application::build(&config, store, Clock::starting_at(at(NOW)))?;
        println!("The told story is on {}", application.app.base_url);
        println!("You are signed in as a demo member; the clock stands at 3 March 2026, 07:42 UTC. Ctrl-C ends it.");
        application.run().await?;
        Ok(())
    })
}
