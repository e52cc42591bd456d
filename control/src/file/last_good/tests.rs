use proptest::{collection, option, prelude::*};

use super::*;

/// A file of a small language: names that it gives, names that it needs, and whether it can be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Toy {
    gives: BTreeSet<u8>,
    needs: BTreeSet<u8>,
    broken: bool,
}

type Texts = BTreeMap<Name, Toy>;

/// `"+1 +2 -3 !"`: gives 1 and 2, needs 3, is broken.
fn toy(text: &str) -> Toy {
    let mut toy = Toy::default();
    for word in text.split_whitespace() {
        match word.split_at(1) {
            ("+", name) => drop(toy.gives.insert(name.parse().unwrap())),
            ("-", name) => drop(toy.needs.insert(name.parse().unwrap())),
            _ => toy.broken = true,
        }
    }
    toy
}

/// `"a: +1 | b: -1"`
fn texts(text: &str) -> Texts {
    let files = text.split('|').map(str::trim).filter(|file| !file.is_empty());
    files.map(|file| file.split_once(':').unwrap()).map(|(name, text)| (name.into(), toy(text))).collect()
}

/// The files in which problems stand: as in the real thing, a name given twice is a problem of the later file, one that is
/// missed of the file that needs it, and nothing is said of names where a file cannot be read.
fn problems(texts: &Texts) -> Vec<Name> {
    let broken: Vec<Name> = texts.iter().filter(|(_, toy)| toy.broken).map(|(name, _)| name.clone()).collect();
    if !broken.is_empty() {
        return broken;
    }
    let (mut given, mut found) = (BTreeSet::new(), Vec::new());
    for (name, toy) in texts {
        found.extend(toy.gives.iter().filter(|&&one| !given.insert(one)).map(|_| name.clone()));
    }
    for (name, toy) in texts {
        found.extend(toy.needs.difference(&given).map(|_| name.clone()));
    }
    found
}

struct Settled {
    chosen: Option<Texts>,
    held_back: String,
    tries: usize,
}

/// Drives a selection to its end, as the reconciler does.
fn settle(newest: &Texts, last_good: &Texts) -> Settled {
    let mut selection = Selection::new(newest, last_good);
    let (mut accepted, mut tries) = (None, 0);
    loop {
        tries += 1;
        let chosen = selection.chosen();
        let found = problems(&chosen);
        let step = if found.is_empty() {
            accepted = Some(chosen);
            selection.accepted()
        } else {
            selection.refused(found.len(), &found.iter().cloned().collect())
        };
        match step {
            Step::Try => {}
            Step::Done => assert_eq!(accepted.as_ref(), Some(&selection.chosen()), "it ends with what was accepted"),
            Step::Nothing => assert_eq!(accepted, None, "what was accepted is not lost"),
        }
        if step != Step::Try {
            return Settled { chosen: accepted, held_back: selection.held_back().join(" "), tries };
        }
    }
}

#[test]
fn only_the_file_at_fault_falls_back() {
    for (what, last_good, newest, held_back) in [
        ("nothing changes", "a: +1", "a: +1", ""),
        ("all is good", "a: +1", "a: +2 | b: -2", ""),
        ("one is broken", "a: +1 | b: +2", "a: +3 | b: !", "b"),
        ("a new one is broken", "a: +1", "a: +3 | b: !", "b"),
        ("two are broken, another is not", "a: +1 | b: +2 | c: +3", "a: ! | b: +4 | c: !", "a c"),
        ("one that is needed is gone", "a: +1 | b: -1", "b: -1", "a"),
        ("one that is needed is gone, another too", "a: +1 | b: -1 | c: +3", "b: -1", "a"),
        ("one that is not needed is gone", "a: +1 | b: +2", "b: +2", ""),
        ("what is needed is in neither", "a: +1 | b: -1", "a: +2 | b: -1", "a"),
        ("a name is given again by a new file that comes before", "b: +1", "a: +1 | b: +1", "a"),
        ("the file with the name given again has changed too", "b: +1", "a: +1 | b: +1 +2", "a"),
        ("a reference into a file that fell back", "a: +1 | b: -1", "a: +2 ! | b: -2", "a b"),
        ("fell back for the sake of another", "a: +1 | b: -1", "a: ! | b: -1 +5 | c: -1 -5 +6", "a"),
        ("a move from one file to another", "a: +1 +2 | b: -1", "a: +2 | b: -1 | c: +1", ""),
        ("a move to a broken file", "a: +1 +2 | b: -1", "a: +2 | b: -1 | c: +1 !", "a c"),
        ("both of two that go together, and one that does not", "a: +1", "a: +2 | b: -2 | c: -9", "c"),
    ] {
        let (last_good, newest) = (texts(last_good), texts(newest));
        assert!(problems(&last_good).is_empty(), "{what}: the last good ones are good");
        let settled = settle(&newest, &last_good);
        assert_eq!(settled.held_back, held_back, "{what}: {:?}", settled.chosen);
        assert!(problems(&settled.chosen.unwrap()).is_empty(), "{what}");
    }
}

#[test]
fn what_fell_back_for_anothers_sake_goes_ahead_again() {
    // At first b is at fault too, since a gives its name again; once a is out of the way, b is not.
    let settled = settle(&texts("a: +1 | b: +1 +2 | c: -9"), &texts("b: +1"));
    assert_eq!(settled.held_back, "a c");
    assert_eq!(settled.chosen.unwrap(), texts("b: +1 +2"));
}

#[test]
fn without_any_good_text_nothing_is_chosen() {
    assert_eq!(settle(&texts("a: !"), &texts("")).chosen, Some(texts("")), "nothing at all is good");
    let mut selection = Selection::new(&texts("a: +1"), &texts("a: +1"));
    assert_eq!(selection.refused(1, &BTreeSet::from(["a".into()])), Step::Nothing);
    assert_eq!(selection.refused(1, &BTreeSet::from(["elsewhere".into()])), Step::Nothing);
}

fn any_toy() -> impl Strategy<Value = Toy> {
    let names = || collection::btree_set(0_u8..6, 0..3);
    (names(), names(), prop::bool::weighted(0.2)).prop_map(|(gives, needs, broken)| Toy { gives, needs, broken })
}

fn any_texts() -> impl Strategy<Value = Texts> {
    collection::vec(option::of(any_toy()), 6).prop_map(|files| {
        let named = files.into_iter().enumerate().filter_map(|(index, toy)| Some((format!("{index}").into(), toy?)));
        named.collect()
    })
}

/// Texts that are good together: of any, those that are left when the ones at fault are taken away.
fn good_texts() -> impl Strategy<Value = Texts> {
    any_texts().prop_map(|mut texts| {
        loop {
            let found = problems(&texts);
            if found.is_empty() {
                return texts;
            }
            texts.retain(|name, _| !found.contains(name));
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_always_ends_with_texts_that_are_good_together(newest in any_texts(), last_good in good_texts()) {
        let settled = settle(&newest, &last_good);
        let chosen = settled.chosen.expect("the last good ones are good");
        prop_assert_eq!(problems(&chosen), Vec::<Name>::new());
        prop_assert!(settled.tries <= 2 * MAX_TRIES + 2, "{} tries", settled.tries);
        for (name, toy) in &chosen {
            prop_assert!(newest.get(name) == Some(toy) || last_good.get(name) == Some(toy), "{} is made up", name);
        }
    }

    #[test]
    fn no_file_is_held_back_that_could_go_ahead(newest in any_texts(), last_good in good_texts()) {
        let settled = settle(&newest, &last_good);
        let chosen = settled.chosen.expect("the last good ones are good");
        for name in settled.held_back.split_whitespace() {
            let mut ahead = chosen.clone();
            match newest.get(name) {
                Some(toy) => drop(ahead.insert(name.into(), toy.clone())),
                None => drop(ahead.remove(name)),
            }
            prop_assert_ne!(problems(&ahead), Vec::<Name>::new(), "{} is held back for nothing", name);
        }
    }

    #[test]
    fn what_is_good_is_chosen_as_it_is(newest in good_texts(), last_good in good_texts()) {
        let settled = settle(&newest, &last_good);
        prop_assert_eq!(settled.chosen, Some(newest));
        prop_assert_eq!((settled.held_back.as_str(), settled.tries), ("", 1));
    }

    #[test]
    fn a_change_that_touches_no_other_file_is_never_held_back_by_it(
        newest in any_texts(), last_good in good_texts(), before in option::of(Just(toy("+100"))),
    ) {
        let (mut newest, mut last_good) = (newest, last_good);
        newest.insert("own".into(), toy("+101 -101"));
        last_good.extend(before.map(|toy| ("own".into(), toy)));
        let chosen = settle(&newest, &last_good).chosen.unwrap();
        prop_assert_eq!(chosen.get("own"), newest.get("own"));
    }
}
