//! Settings, for administrators: who may come in, and which programs may.

use crate::{
    domain::access::{Act, Role, Scope},
    flows::{Error, administer},
    store::{accounts::Token, people::Person},
    web::{App, Frame, Posted, SignedIn, WebError, blocking, flash, href, render, see_other, with_status},
};
use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

/// The longest that a token may hold, days.
const LONGEST_DAYS: i64 = 3650;

struct PersonRow {
    it: Person,
    href: String,
    state: String,
    out: bool,
}

/// What was typed into the form for a new person.
#[derive(Default, Clone)]
struct NewPerson {
    email: String,
    name: String,
    team: String,
    role: String,
}

/// A link or a token that is shown this once.
struct Once {
    about: String,
    secret: String,
    hint: String,
}

#[derive(Template)]
#[template(path = "settings/people.html")]
struct PeoplePage {
    frame: Frame,
    people: Vec<PersonRow>,
    typed: NewPerson,
    refusals: Vec<String>,
    once: Option<Once>,
}

impl PeoplePage {
    fn roles(&self) -> [Role; 4] {
        Role::ALL
    }
}

async fn people_page(
    app: &Data<App>,
    signed: &SignedIn,
    typed: NewPerson,
    refusals: Vec<String>,
    once: Option<Once>,
) -> Result<HttpResponse, WebError> {
    let people = blocking(app, |app| app.store.read::<_, Error>(|read| Ok(read.people()?))).await?;
    let frame = Frame::new(app, signed, "/settings");
    let row = |it: Person| PersonRow {
        href: href::person(&it.email),
        state: match (it.disabled_at, &it.password_hash) {
            (Some(at), _) => format!("shut out {}", frame.day(at)),
            (None, Some(_)) => "may sign in".to_owned(),
            (None, None) => "has no password yet".to_owned(),
        },
        out: it.disabled_at.is_some(),
        it,
    };
    let people = people.into_iter().map(row).collect();
    let status = if refusals.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(with_status(render(&PeoplePage { people, typed, refusals, once, frame })?, status))
}

/// Everybody, with what may be changed of them.
pub async fn people(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    signed.must(Act::Administer)?;
    people_page(&app, &signed, NewPerson::default(), Vec::new(), None).await
}

fn welcome(app: &App, email: &str, link: &str) -> Once {
    Once {
        about: format!("Hand this link to {email}. It sets a password, works once, and holds for 72 hours."),
        secret: format!("{}/welcome/{link}", app.base_url),
        hint: "It is not shown again; another one can be made, which ends this one.".to_owned(),
    }
}

/// Runs a flow; what it refuses is shown on the page.
async fn refusable<T: Send + 'static>(
    app: &Data<App>,
    body: impl FnOnce(&App) -> Result<T, Error> + Send + 'static,
) -> Result<Result<T, Vec<String>>, WebError> {
    let outcome = blocking(app, move |app| match body(app) {
        Ok(done) => Ok(Ok(done)),
        Err(Error::Refused(reasons)) => Ok(Err(reasons)),
        Err(Error::Changed(reason)) => Ok(Err(vec![reason])),
        Err(other) => Err(other),
    });
    outcome.await
}

fn role(word: &str) -> Result<Role, WebError> {
    Role::parse(word).ok_or_else(|| WebError::bad_request("The form names no role."))
}

/// Adds a person, and shows the link with which they set a password.
pub async fn add_person(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let field = |name: &str| posted.text(name).to_owned();
    let typed = NewPerson { email: field("email"), name: field("name"), team: field("team"), role: field("role") };
    let (role, now) = (role(&typed.role)?, app.clock.now());
    let (new, by) = (typed.clone(), posted.signed.actor());
    let outcome = refusable(&app, move |app| {
        let (name, team) = (Some(new.name.as_str()), Some(new.team.as_str()));
        let person = administer::NewPerson { email: &new.email, name, team, role, password: None };
        let person = administer::add_person(&app.store, &by, person, now)?;
        let link = administer::invite(&app.store, &person.id, now)?;
        Ok((person.email, link))
    })
    .await?;
    match outcome {
        Ok((email, link)) => {
            let once = Some(welcome(&app, &email, &link));
            people_page(&app, &posted.signed, NewPerson::default(), Vec::new(), once).await
        }
        Err(refusals) => people_page(&app, &posted.signed, typed, refusals, None).await,
    }
}

/// Changes a person's name, team and role.
pub async fn change_person(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let role = role(posted.text("role"))?;
    let (name, team) = (posted.text("name").to_owned(), posted.text("team").to_owned());
    let (id, by, now) = (path.into_inner(), posted.signed.actor(), app.clock.now());
    let outcome = refusable(&app, move |app| {
        if name.is_empty() {
            return Err(Error::refused("A name is missing: what people call this person."));
        }
        let team = Some(team.as_str()).filter(|team| !team.is_empty());
        administer::change_person(&app.store, &by, &id, &name, team, role, now)
    })
    .await?;
    done(&app, &posted.signed, outcome, "Changed. Where the role is another, their sessions have ended.").await
}

async fn done(
    app: &Data<App>,
    signed: &SignedIn,
    outcome: Result<(), Vec<String>>,
    says: &str,
) -> Result<HttpResponse, WebError> {
    match outcome {
        Ok(()) => Ok(flash(see_other("/settings"), says)),
        Err(refusals) => people_page(app, signed, NewPerson::default(), refusals, None).await,
    }
}

/// Shuts a person out, or lets them in again.
pub async fn shut_out(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let out = posted.text("out") == "yes";
    let (id, by, now) = (path.into_inner(), posted.signed.actor(), app.clock.now());
    let outcome = refusable(&app, move |app| administer::set_disabled(&app.store, &by, &id, out, now)).await?;
    let says = if out { "Shut out. Their sessions have ended." } else { "They may sign in again." };
    done(&app, &posted.signed, outcome, says).await
}

/// Makes a new link with which a person sets a password, and shows it.
pub async fn invite(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let (id, now) = (path.into_inner(), app.clock.now());
    let (email, link) = blocking(&app, move |app| {
        let person = app.store.read::<_, Error>(|read| Ok(read.person(&id)?))?;
        let person = person.ok_or_else(|| Error::no("person", &id))?;
        Ok((person.email, administer::invite(&app.store, &id, now)?))
    })
    .await?;
    let once = Some(welcome(&app, &email, &link));
    people_page(&app, &posted.signed, NewPerson::default(), Vec::new(), once).await
}

struct TokenRow {
    id: String,
    name: String,
    prefix: String,
    scopes: String,
    made: String,
    used: String,
    state: String,
    valid: bool,
}

#[derive(Template)]
#[template(path = "settings/tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<TokenRow>,
    name: String,
    chosen: Vec<Scope>,
    days: String,
    refusals: Vec<String>,
    once: Option<Once>,
}

/// A scope to choose, with what it allows.
struct ScopeChoice {
    word: &'static str,
    means: &'static str,
    chosen: bool,
}

impl TokensPage {
    fn scopes(&self) -> Vec<ScopeChoice> {
        let means = |scope| match scope {
            Scope::Read => "Read pushes, findings and history; the feed.",
            Scope::Push => "Record pushes, steps, flag changes and notes; ask the gate. May read.",
            Scope::Ingest => "Send crash reports and exposure. Reads nothing.",
            Scope::Admin => "Everything that an administrator may do.",
        };
        let choice = |scope: Scope| ScopeChoice {
            word: scope.word(),
            means: means(scope),
            chosen: self.chosen.contains(&scope),
        };
        Scope::ALL.into_iter().map(choice).collect()
    }
}

/// What was typed into the form for a new token.
struct NewToken {
    name: String,
    chosen: Vec<Scope>,
    days: String,
}

impl Default for NewToken {
    fn default() -> NewToken {
        NewToken { name: String::new(), chosen: vec![Scope::Push], days: "365".to_owned() }
    }
}

async fn tokens_page(
    app: &Data<App>,
    signed: &SignedIn,
    typed: NewToken,
    refusals: Vec<String>,
    once: Option<Once>,
) -> Result<HttpResponse, WebError> {
    let tokens = blocking(app, |app| app.store.read::<_, Error>(|read| Ok(read.tokens()?))).await?;
    let frame = Frame::new(app, signed, "/settings");
    let tokens = tokens.into_iter().map(|it| token_row(it, &frame)).collect();
    let status = if refusals.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = TokensPage { tokens, name: typed.name, chosen: typed.chosen, days: typed.days, refusals, once, frame };
    Ok(with_status(render(&page)?, status))
}

fn token_row(it: Token, frame: &Frame) -> TokenRow {
    let scopes: Vec<&str> = it.scopes.iter().map(|scope| scope.word()).collect();
    TokenRow {
        scopes: scopes.join(", "),
        made: format!("{} by {}", frame.when(it.created_at), it.created_by),
        used: it.used_at.map_or_else(|| "not yet".to_owned(), |at| frame.when(at)),
        state: match (it.revoked_at, it.expires_at) {
            (Some(at), _) => format!("taken back {}", frame.when(at)),
            (None, Some(end)) if end <= frame.now => format!("ended {}", frame.day(end)),
            (None, Some(end)) => format!("holds until {}", frame.day(end)),
            (None, None) => "holds for good".to_owned(),
        },
        valid: it.is_valid_at(frame.now),
        id: it.id,
        name: it.name,
        prefix: it.prefix,
    }
}

/// Every token, by what is kept of it.
pub async fn tokens(app: Data<App>, signed: SignedIn) -> Result<HttpResponse, WebError> {
    signed.must(Act::Administer)?;
    tokens_page(&app, &signed, NewToken::default(), Vec::new(), None).await
}

/// Makes a token, and shows its secret this once.
pub async fn create_token(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let chosen: Vec<Scope> = posted.all("scope[]").into_iter().filter_map(Scope::parse).collect();
    let typed = NewToken { name: posted.text("name").to_owned(), days: posted.text("days").to_owned(), chosen };
    let days = match typed.days.as_str() {
        "" => Ok(None),
        text => text.parse::<i64>().ok().filter(|days| (1..=LONGEST_DAYS).contains(days)).map(Some).ok_or(()),
    };
    let Ok(days) = days else {
        let refusal = format!(
            "Days are a whole number from 1 to {LONGEST_DAYS}; leave it empty for a token that holds for good."
        );
        return tokens_page(&app, &posted.signed, typed, vec![refusal], None).await;
    };
    let (by, creator, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (name, scopes) = (typed.name.clone(), typed.chosen.clone());
    let outcome =
        refusable(&app, move |app| administer::create_token(&app.store, &by, &creator, &name, &scopes, days, now))
            .await?;
    match outcome {
        Ok((token, secret)) => {
            let once = Once {
                about: format!("The token for {}. Keep it where the program finds it.", token.name),
                secret,
                hint: "It is not shown again, and only its hash is kept here.".to_owned(),
            };
            tokens_page(&app, &posted.signed, NewToken::default(), Vec::new(), Some(once)).await
        }
        Err(refusals) => tokens_page(&app, &posted.signed, typed, refusals, None).await,
    }
}

/// Takes a token back.
pub async fn revoke_token(app: Data<App>, posted: Posted, path: Path<String>) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Administer)?;
    let (id, by, now) = (path.into_inner(), posted.signed.actor(), app.clock.now());
    blocking(&app, move |app| administer::revoke_token(&app.store, &by, &id, now)).await?;
    Ok(flash(see_other("/settings/tokens"), "Taken back. Programs that use it are refused from now on."))
}
