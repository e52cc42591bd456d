//! `rollgate token create` and `rollgate token hash`: bearer tokens for the admin API, and what of them goes into the
//! configuration. Neither speaks with a gateway, and neither keeps the token.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use rollgate_config::static_config::{Role, TOKEN_PREFIX, Token};
use serde_json::json;

/// The commands for tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token: it goes to standard output, once; what belongs into the configuration to standard error.
    #[command(after_help = EXIT_CODES)]
    Create(CreateArgs),
    /// Reads a token from standard input and prints the hash that belongs into the configuration.
    #[command(after_help = EXIT_CODES)]
    Hash,
}

/// The command line of `token create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Whom the audit log names
    #[arg(long, value_parser = name)]
    name: String,
    /// What it allows: read, operate (weights and brakes too) or admin (configuration too)
    #[arg(long, value_parser = PossibleValuesParser::new(Role::ALL.map(Role::name)).map(|name| role(&name)))]
    role: Role,
    /// Prints {"token","name","role","hash"} on standard output, and nothing else
    #[arg(long)]
    json: bool,
}

/// Exit code 0 if it is done, 1 if there is no randomness or standard output cannot be written, 2 if what was read is no token.
pub(crate) fn run(command: &TokenCommand) -> ExitCode {
    let done = match command {
        TokenCommand::Create(arguments) => create(arguments),
        TokenCommand::Hash => hash(io::stdin().lock()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, what)) => {
            eprintln!("{what}");
            ExitCode::from(code)
        }
    }
}

fn create(arguments: &CreateArgs) -> Result<(), (u8, String)> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| (1, "the system gives no random bytes".to_owned()))?;
    let token = text_of(&bytes);
    let hash = hash_of(&token);
    let CreateArgs { name, role, json } = arguments;
    if *json {
        return print(&json!({"token": token, "name": name, "role": role.name(), "hash": hash}).to_string());
    }
    print(&token)?;
    eprintln!("{}", entry(name, *role, &hash));
    Ok(())
}

fn hash(input: impl Read) -> Result<(), (u8, String)> {
    let mut read = Vec::new();
    input.take(MAX_BYTES + 1).read_to_end(&mut read).map_err(|error| (2, format!("standard input: {error}")))?;
    let token = token_in(&read).map_err(|what| (2, format!("standard input: {what}")))?;
    print(&hash_of(token))
}

/// The one word that was read, if it can be a token.
fn token_in(read: &[u8]) -> Result<&str, &'static str> {
    let token = read.trim_ascii();
    if token.len() as u64 > MAX_BYTES || !token.iter().all(u8::is_ascii_graphic) {
        return Err("not a token: one word of visible ASCII, at most 4096 bytes");
    }
    if token.len() < MIN_BYTES {
        return Err("too short for a token, whose hash must not be found by guessing: at least 22 characters");
    }
    str::from_utf8(token).map_err(|_| "not a token: one word of visible ASCII")
}

fn text_of(random: &[u8; 32]) -> String {
    TOKEN_PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(random)
}

fn hash_of(token: &str) -> String {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    Token::hash_text(&hash)
}

/// What to do with it now. The name is in quotes, as a name may look like a number.
fn entry(name: &str, role: Role, hash: &str) -> String {
    format!(
        "The token is kept nowhere. Into the static configuration goes its hash:

api:
  tokens:
    - name: \"{name}\"
      role: {}
      hash: {hash}",
        role.name()
    )
}

fn print(line: &str) -> Result<(), (u8, String)> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| (1, format!("standard output: {error}")))
}

fn name(text: &str) -> Result<String, String> {
    match Token::wrong_name(text) {
        Some(wrong) => Err(format!("{wrong} (1 to 64 letters, digits, dots, hyphens, underscores and @)")),
        None => Ok(text.to_owned()),
    }
}

fn role(name: &str) -> Role {
    let named = Role::ALL.into_iter().find(|role| role.name() == name);
    named.expect("only these names are possible")
}

const MAX_BYTES: u64 = 4096;

/// 128 random bits in base64.
const MIN_BYTES: usize = 22;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  standard output could not be written
  2  wrong usage, or what was read is no token";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_random_bytes_and_its_hash_the_sha_256_of_its_text() {
        let token = text_of(&std::array::from_fn(|index| index as u8 | 0xe0));
        assert_eq!(token, "rg_4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8");
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash_of("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn one_word_is_a_token_and_nothing_else() {
        let long = "x".repeat(4096);
        for (read, expected) in [("0123456789012345678901\r\n", Some("0123456789012345678901")), (&long, Some(&*long))]
        {
            assert_eq!(token_in(read.as_bytes()).ok(), expected);
        }
        let (longer, two) = (long.clone() + "x", long.clone() + "\n" + &long);
        for read in
            ["", "\n", "012345678901234567890", "01234567890 12345678901", "ü123456789012345678901", &longer, &two]
        {
            assert!(token_in(read.as_bytes()).is_err(), "{read}");
        }
    }
}
