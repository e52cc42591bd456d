use std::time::Duration;

use rollgate_config::dynamic::middleware::{BasicUser, User};

use super::*;

const HASH: &str = "$2y$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e";

fn passwords() -> Arc<Passwords> {
    Arc::new(Passwords::new(&Helper::default(), &Arc::new(Metrics::new(None).unwrap()), 2).unwrap())
}

fn hash(text: &str) -> Hash {
    Hash::compile(&BasicUser::parse(&format!("user:{text}")).unwrap().hash).unwrap()
}

fn client(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

/// Keeps every check from computing until it is dropped.
fn hold(passwords: &Passwords) -> tokio::sync::OwnedSemaphorePermit {
    passwords.slots.clone().try_acquire_many_owned(1).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting).await.expect("the condition is met in time");
}

#[tokio::test]
async fn a_right_password_is_checked_once_and_a_wrong_one_each_time() {
    let passwords = passwords();
    let question = |password: &str| passwords.question(b"user", password.as_bytes(), &hash(HASH), true);
    assert!(!passwords.remembers(&question("test")));
    assert_eq!(passwords.check(question("test"), client(1)).await, Ok(true));
    assert!(passwords.remembers(&question("test")));
    assert_eq!(passwords.check(question("wrong"), client(1)).await, Ok(false));
    assert!(!passwords.remembers(&question("wrong")));
    assert!(passwords.under_way.lock().checks.is_empty());
    assert!(passwords.under_way.lock().clients.is_empty());
}

#[tokio::test]
async fn what_is_remembered_belongs_to_user_password_and_stored_hash_together() {
    let passwords = passwords();
    let question = passwords.question(b"user", b"test", &hash(HASH), true);
    assert_eq!(passwords.check(question, client(1)).await, Ok(true));
    let other = "$2y$04$.8sTYfcxbSplCtoxt5TdJOhpBYkarKtZYsYfYxQ1edbYRuO1DNi0e";
    for (user, password, text) in [("users", "test", HASH), ("use", "rtest", HASH), ("user", "test", other)] {
        let question = passwords.question(user.as_bytes(), password.as_bytes(), &hash(text), true);
        assert!(!passwords.remembers(&question), "{user} {password}");
    }
}

#[tokio::test]
async fn a_stranger_with_the_right_password_of_another_is_not_let_in() {
    let passwords = passwords();
    for _ in 0..2 {
        let question = passwords.question(b"stranger", b"test", &hash(HASH), false);
        assert!(!passwords.remembers(&question));
        assert_eq!(passwords.check(question, client(1)).await, Ok(false));
    }
}

#[tokio::test]
async fn the_same_check_is_made_once_for_all_who_ask() {
    let passwords = passwords();
    let held = hold(&passwords);
    let ask = |last| {
        let question = passwords.question(b"user", b"test", &hash(HASH), true);
        passwords.ask(question, client(last)).unwrap()
    };
    let mut receivers: Vec<_> = (0..200).map(ask).collect();
    assert_eq!(passwords.under_way.lock().checks.len(), 1);
    drop(held);
    for receiver in &mut receivers {
        assert_eq!(*receiver.wait_for(Option::is_some).await.unwrap(), Some(true));
    }
}

#[tokio::test]
async fn the_queue_is_bounded_and_so_is_each_clients_share() {
    let passwords = passwords();
    let held = hold(&passwords);
    let ask = |password: String, client: IpAddr| {
        let question = passwords.question(b"user", password.as_bytes(), &hash(HASH), true);
        passwords.ask(question, block_of(client))
    };
    let mut receivers = Vec::new();
    for last in 0..4 {
        for number in 0..16 {
            receivers.push(ask(format!("{last} {number}"), client(last)).unwrap());
        }
        if last < 3 {
            assert!(ask(format!("{last} more"), client(last)).is_err(), "client {last} has had its share");
        }
    }
    assert!(ask("another".to_owned(), client(9)).is_err(), "the queue is full");
    assert!(ask("0 0".to_owned(), client(9)).is_ok(), "who asks for the same needs no place of its own");
    // Those whose clients have gone away leave without being computed.
    receivers.clear();
    drop(held);
    until(|| passwords.under_way.lock().checks.is_empty()).await;
    assert!(passwords.under_way.lock().clients.is_empty());
    assert_eq!(passwords.check(passwords.question(b"user", b"test", &hash(HASH), true), client(9)).await, Ok(true));
}

#[test]
fn a_client_is_an_address_or_a_whole_network_of_version_6() {
    let block = |text: &str| block_of(text.parse().unwrap()).to_string();
    assert_eq!(block("10.0.0.1"), "10.0.0.1");
    assert_eq!(block("::ffff:10.0.0.1"), "10.0.0.1");
    assert_eq!(block("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
}
