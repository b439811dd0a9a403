//! From an empty database to somebody who is signed in: the printed link, a password, a session, and out again.

use crate::support::{Client, Engine, Program, TestDatabase, server::PASSWORD};

/// The path in the link that the program printed.
fn path(program: &Program) -> String {
    let link = program.link.as_deref().expect("the program prints a link while nobody can sign in");
    link.strip_prefix(&program.base).expect("a link to this server").to_owned()
}

fn fields<'a>(email: &'a str, password: &'a str, again: &'a str) -> [(&'a str, &'a str); 4] {
    [("email", email), ("name", "Lee"), ("password", password), ("again", again)]
}

#[test]
fn the_printed_link_makes_one_administrator_and_then_works_no_more() {
    for engine in Engine::BOTH {
        let database = TestDatabase::new(engine);
        let program = Program::serve(&database);
        let (link, client) = (path(&program), program.client());
        assert!(client.page(&link).says("become its administrator"));

        let differ = client.post(&link, &fields("lee@example.com", PASSWORD, "something else entirely")).expect(422);
        assert!(differ.says("The two passwords differ"), "{}", differ.body);
        let weak = client.post(&link, &fields("lee@example.com", "lee@example.com", "lee@example.com")).expect(422);
        assert!(weak.says("among the first that anybody would try"), "{}", weak.body);
        let short = client.post(&link, &fields("lee@example.com", "short", "short")).expect(422);
        assert!(
            short.says("at least 12 characters") && short.body.contains("lee@example.com"),
            "what was typed is lost"
        );
        let nobody = client.post(&link, &fields("not an address", PASSWORD, PASSWORD)).expect(422);
        assert!(nobody.says("An e-mail address is expected"), "{}", nobody.body);

        let welcome = client.post(&link, &fields("Lee@Example.com", PASSWORD, PASSWORD)).expect(303);
        assert_eq!(welcome.header("location"), Some("/"));
        let cookie = welcome.header("set-cookie").expect("a session");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
            "{cookie}"
        );
        assert!(client.page("/").body.contains("lee"));

        program.client().get(&link).expect(404);
        program.client().post(&link, &fields("eve@example.com", PASSWORD, PASSWORD)).expect(404);
        assert!(program.terminate().success());
        let program = Program::serve(&database);
        assert_eq!(program.link, None, "once there is an administrator, no link is printed");
        let client = program.client();
        client.sign_in("lee@example.com", PASSWORD);
        client.page("/");
    }
}

#[test]
fn a_link_of_an_earlier_start_is_dead_once_a_new_one_was_printed() {
    let database = TestDatabase::new(Engine::Sqlite);
    let first = Program::serve(&database);
    let old = path(&first);
    assert!(first.terminate().success());
    let second = Program::serve(&database);
    second.client().get(&old).expect(404);
    second.client().page(&path(&second));
}

fn served() -> (TestDatabase, Program) {
    let database = TestDatabase::new(Engine::Sqlite);
    let arguments = ["admin", "user", "add", "dana@example.com", "--role", "member", "--password-stdin", "--database"];
    let arguments: Vec<&str> = arguments.into_iter().chain([database.url.as_str()]).collect();
    assert_eq!(crate::support::program::run_well(&arguments, PASSWORD), "dana@example.com");
    let program = Program::serve(&database);
    (database, program)
}

#[test]
fn who_signs_in_comes_to_the_page_that_was_asked_for_and_nowhere_else() {
    let (_database, program) = served();
    let client = program.client();
    let away = client.get("/postmortems?status=draft").expect(303);
    let to = away.header("location").expect("somewhere").to_owned();
    assert!(to.starts_with("/sign-in?to="), "{to}");
    let form = client.page(&to);
    assert!(form.body.contains("value=\"/postmortems?status=draft\""), "{}", form.body);
    let go = |to: &str| {
        let client = program.client();
        let answer = client.post("/sign-in", &[("email", "dana@example.com"), ("password", PASSWORD), ("to", to)]);
        answer.expect(303).header("location").expect("somewhere").to_owned()
    };
    assert_eq!(go("/postmortems?status=draft"), "/postmortems?status=draft");
    for elsewhere in ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", ""] {
        assert_eq!(go(elsewhere), "/", "{elsewhere:?}");
    }
}

#[test]
fn a_wrong_password_and_an_unknown_address_are_answered_alike_and_guessing_gets_slow() {
    let (_database, program) = served();
    let try_in = |client: &Client, email: &str| {
        client.post("/sign-in", &[("email", email), ("password", "wrong wrong wrong"), ("to", "/")])
    };
    let client = program.client();
    let (known, unknown) = (try_in(&client, "dana@example.com"), try_in(&client, "nobody@example.com"));
    assert_eq!((known.status, unknown.status), (403, 403));
    assert_eq!(known.body.replace("dana@", "nobody@"), unknown.body);
    let slow = (0..20).map(|_| try_in(&client, "dana@example.com")).find(|answer| answer.status == 429);
    let slow = slow.expect("guessing is slowed down");
    let wait: u64 = slow.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=300).contains(&wait) && slow.says("Too many tries"), "{wait}");
}

#[test]
fn a_session_ends_at_signing_out_on_the_server_too() {
    let (_database, program) = served();
    let client = program.client();
    client.sign_in("dana@example.com", PASSWORD);
    let cookie = client.cookie("pushback").expect("a session");
    client.page("/");
    let with_cookie =
        |cookie: &str| program.client().send("GET", "/", &[("cookie", &format!("pushback={cookie}"))], b"");
    assert_eq!(with_cookie(&cookie).status, 200);
    // Without the form's secret nobody is signed out by another site.
    client.post("/sign-out", &[]).expect(403);
    assert_eq!(with_cookie(&cookie).status, 200);
    let csrf = client.secret();
    client.post("/sign-out", &[("csrf", &csrf)]).expect(303);
    assert_eq!(with_cookie(&cookie).status, 303);
    assert_eq!(client.get("/").status, 303);
}
