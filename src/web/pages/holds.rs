//! Asking for a push to stop, and lifting that, from whichever page it is done on.

use crate::{
    domain::access::Act,
    flows::{self, hold_push},
    store::{holds::Hold, people::Person},
    web::{App, Frame, Posted, WebError, blocking, flash, href::part, see_other},
};
use actix_web::{
    HttpResponse,
    web::{Data, Path},
};

/// A form that was refused: which one, what was typed, and why.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    /// The form: `hold`, `bad`, `reply`, `service`, or the id of a hold that was to be lifted.
    pub form: String,
    /// The push or step that was chosen in it.
    pub push: String,
    /// What was typed.
    pub typed: String,
    /// What, why, and what now.
    pub reasons: Vec<String>,
}

impl Refusal {
    /// Whether it was this form.
    pub fn of(&self, form: &str) -> bool {
        !self.reasons.is_empty() && self.form == form
    }

    /// What was typed into this form; empty where it was another.
    pub fn typed_in(&self, form: &str) -> &str {
        if self.of(form) { &self.typed } else { "" }
    }
}

/// A hold, ready to print.
pub struct HoldLine {
    /// Its id.
    pub id: String,
    /// The push.
    pub push: String,
    /// The page of the push.
    pub href: String,
    /// Who asked.
    pub actor: String,
    /// When.
    pub when: String,
    /// Why.
    pub reason: String,
    /// When it was lifted, by whom and why.
    pub lifted: Option<(String, String, String)>,
    /// Whether the reader may lift it.
    pub may_lift: bool,
}

impl HoldLine {
    /// Puts together what is shown of a hold.
    pub fn new(hold: &Hold, frame: &Frame, reader: &Person) -> HoldLine {
        HoldLine {
            id: hold.id.clone(),
            push: hold.push.clone(),
            href: format!("/pushes/{}", part(&hold.push)),
            actor: hold.actor.clone(),
            when: frame.when(hold.at),
            reason: hold.reason.clone(),
            lifted: hold.lifted.as_ref().map(|it| (frame.when(it.at), it.actor.clone(), it.reason.clone())),
            may_lift: hold.lifted.is_none() && may_lift(hold, reader),
        }
    }
}

/// Anybody lifts their own hold; somebody else's only who may record.
fn may_lift(hold: &Hold, person: &Person) -> bool {
    hold.actor.eq_ignore_ascii_case(&person.email) || person.role.may(Act::Record)
}

/// Holds a push, from its own page.
pub async fn hold_from_push(app: Data<App>, push: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    hold(&app, posted, push.into_inner(), false).await
}

/// Holds a push, from the start page.
pub async fn hold_from_now(app: Data<App>, posted: Posted) -> Result<HttpResponse, WebError> {
    let push = posted.text("push").to_owned();
    hold(&app, posted, push, true).await
}

async fn hold(app: &Data<App>, posted: Posted, push: String, from_now: bool) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Hold)?;
    let (by, person, now) = (posted.signed.actor(), posted.signed.person.email.clone(), app.clock.now());
    let (typed, on) = (posted.text("reason").to_owned(), push.clone());
    let why = typed.clone();
    let held =
        blocking(app, move |app| refused(hold_push::hold_push(&app.store, &by, &person, &on, &why, now))).await?;
    match held {
        Ok(_) => {
            let to = if from_now { "/".to_owned() } else { format!("/pushes/{}#hold", part(&push)) };
            Ok(flash(see_other(to), &format!("{push} is held. The gate says so from now on.")))
        }
        Err(reasons) => {
            let refusal = Refusal { form: "hold".into(), push: push.clone(), typed, reasons };
            again(app, &posted, &push, from_now, refusal).await
        }
    }
}

/// Lifts a hold.
pub async fn lift(app: Data<App>, hold: Path<String>, posted: Posted) -> Result<HttpResponse, WebError> {
    posted.signed.must(Act::Hold)?;
    let (by, person, now) = (posted.signed.actor(), posted.signed.person.clone(), app.clock.now());
    let (id, typed) = (hold.into_inner(), posted.text("reason").to_owned());
    let (named, why) = (id.clone(), typed.clone());
    let from_now = posted.text("from") == "now";
    let (push, lifted) = blocking(&app, move |app| {
        let hold = app
            .store
            .read::<_, flows::Error>(|read| read.hold(&named)?.ok_or_else(|| flows::Error::no("hold", &named)))?;
        if !may_lift(&hold, &person) {
            return Err(flows::Error::NotAllowed(format!(
                "This hold is {}’s. You may lift your own; members and administrators may lift any.",
                hold.actor
            )));
        }
        let lifted = refused(hold_push::lift_hold(&app.store, &by, &person.email, &named, &why, now))?;
        Ok((hold.push, lifted))
    })
    .await?;
    match lifted {
        Ok(_) => {
            let to = if from_now { "/".to_owned() } else { format!("/pushes/{}#hold", part(&push)) };
            Ok(flash(see_other(to), &format!("The hold on {push} is lifted.")))
        }
        Err(reasons) => {
            let refusal = Refusal { form: id, push: push.clone(), typed, reasons };
            again(&app, &posted, &push, from_now, refusal).await
        }
    }
}

async fn again(
    app: &Data<App>,
    posted: &Posted,
    push: &str,
    from_now: bool,
    refusal: Refusal,
) -> Result<HttpResponse, WebError> {
    if from_now {
        super::start::page(app, &posted.signed, refusal).await
    } else {
        super::pushes::page(app, &posted.signed, push, None, refusal).await
    }
}

/// Takes a refusal apart from what went wrong otherwise, so that its page can be shown again.
pub fn refused<T>(outcome: Result<T, flows::Error>) -> Result<Result<T, Vec<String>>, flows::Error> {
    match outcome {
        Ok(done) => Ok(Ok(done)),
        Err(flows::Error::Refused(reasons)) => Ok(Err(reasons)),
        Err(other) => Err(other),
    }
}
