use super::*;

fn kind(line: &str) -> Result<String, &'static str> {
    BasicUser::parse(line).map(|user| format!("{} {:?}", user.name, user.hash)).map_err(|(what, _)| what)
}

#[test]
fn what_htpasswd_writes_is_a_user() {
    for (line, read) in [
        ("test:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/", "test Md5"),
        ("test:$1$12345678$tRy4cXc3kmcfRZVj4iFXr/", "test Md5"),
        ("test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "test Sha1"),
        ("test:$2a$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "test Bcrypt"),
        ("a b:$2b$04$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "a b Bcrypt"),
        ("ü:$2y$17$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "ü Bcrypt"),
        ("x:$2x$10$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "x Bcrypt"),
    ] {
        assert_eq!(kind(line).as_deref(), Ok(read), "{line}");
    }
}

#[test]
fn what_is_no_hash_is_refused_without_being_quoted() {
    let plain = "has its password in plain text, or a hash of no known kind";
    for (line, what) in [
        ("test", "is no user"),
        ("a:b:c", "is no user"),
        (":{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "has no name that a client can send"),
        ("a\tb:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "has no name that a client can send"),
        ("test:test", plain),
        ("test:", plain),
        ("test:$6$salt$abc", plain),
        ("test:{SSHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", plain),
        ("test:rqXexS6ZhobKA", plain),
        ("test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M", "has a damaged SHA-1 hash"),
        ("test:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj", "has a damaged MD5 hash"),
        ("test:$apr1$H6uskkkWx$IgXLP6ewTrSuBkTrqE8wj/", "has a damaged MD5 hash"),
        ("test:$apr1$$IgXLP6ewTrSuBkTrqE8wj/", "has a damaged MD5 hash"),
        ("test:$2y$5$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "has a damaged bcrypt hash"),
        ("test:$2y$05$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0", "has a damaged bcrypt hash"),
        (
            "test:$2y$31$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e",
            "has a bcrypt hash of a cost that is not taken",
        ),
        (
            "test:$2y$03$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e",
            "has a bcrypt hash of a cost that is not taken",
        ),
        ("test:$2y$+5$.8sTYfcxbSplCtoxt5TdJOgpBYkarKtZYsYfYxQ1edbYRuO1DNi0e", "has a damaged bcrypt hash"),
    ] {
        assert_eq!(kind(line), Err(what), "{line}");
    }
}

#[test]
fn what_htdigest_writes_is_a_user_of_its_realm() {
    let parse = |line: &str| DigestUser::parse(line).map(|user| user.name_and_realm).map_err(|(what, _)| what);
    assert_eq!(parse("test:traefik:a2688e031edb4be6a3797f3882655c05").as_deref(), Ok("test:traefik"));
    let user = DigestUser::parse("a:the shop:a2688e031edb4be6a3797f3882655c05").unwrap();
    assert_eq!((user.name_of("the shop"), user.name_of("shop"), user.name_of("")), (Some("a"), None, None));
    assert_eq!(parse("test::a2688e031edb4be6a3797f3882655c05").as_deref(), Ok("test:"));
    for (line, what) in [
        ("test", "is no user"),
        ("test:a2688e031edb4be6a3797f3882655c05", "is no user"),
        ("a:b:c:a2688e031edb4be6a3797f3882655c05", "is no user"),
        (":r:a2688e031edb4be6a3797f3882655c05", "has no name that a client can send"),
        ("a:r\u{1}:a2688e031edb4be6a3797f3882655c05", "has a realm with control characters in it"),
        ("a:r:a2688e031edb4be6a3797f3882655c0", "has a hash that is no MD5"),
        ("a:r:A2688E031EDB4BE6A3797F3882655C05", "has a hash that is no MD5"),
        ("a:r:secret", "has a hash that is no MD5"),
    ] {
        assert_eq!(parse(line), Err(what), "{line}");
    }
}

#[test]
fn a_file_has_a_user_in_each_line_and_every_bad_one_is_told() {
    let text =
        "# of the office\n\n  test:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=  \r\nother:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n";
    let names = |users: Vec<BasicUser>| users.into_iter().map(|user| user.name).collect::<Vec<_>>();
    assert_eq!(users(text).map(names), Ok(vec!["test".to_owned(), "other".to_owned()]));
    assert_eq!(users("").map(names), Ok(vec![]));
    let bad = users::<BasicUser>("a:secret\n#\nb\nc:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n").unwrap_err();
    let told: Vec<String> = bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 1 has its password in plain text, or a hash of no known kind (bcrypt, MD5 or SHA-1, as htpasswd writes them: $2y$, $apr1$ or {SHA})",
            "line 3 is no user (name:hash)"
        ]
    );
}

#[test]
fn users_of_the_configuration_come_after_those_of_the_file() {
    let user = |line| BasicUser::parse(line).unwrap();
    let mut auth = UserAuth {
        users: vec![user("b:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=")],
        users_file: None,
        realm: "traefik".to_owned(),
        remove_header: false,
        header_field: None,
    };
    let keys = |auth: &UserAuth<BasicUser>| {
        auth.all().unwrap().iter().map(|user| format!("{} {:?}", user.key(), user.hash)).collect::<Vec<_>>()
    };
    assert_eq!(keys(&auth), ["b Sha1"]);
    let text = UsersFile::Text("a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\nb:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/".into());
    auth.users_file = Some(Located { value: text, at: crate::problem::Place::default() });
    assert_eq!(keys(&auth), ["a Sha1", "b Md5", "b Sha1"]);
}
