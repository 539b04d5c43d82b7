//! What an event means: its category, from its type alone or from values in its body as well.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::category::CATEGORIES;
use super::error::Fault;
use super::glob::{Globs, matches};
use super::spec::OneOrMany;
use crate::event::{Found, Pointer, PointerError};

/// `[categories]` as written: for a pattern of types its category, or cases of which the first that holds counts.
pub(crate) type CategoriesSpec = BTreeMap<String, OneOrMany<CaseSpec>>;

/// What events of one pattern of types mean. `P` is a [`Pointer`] in the file and a slot of the scan once compiled.
#[derive(Debug, Clone)]
pub(crate) struct Meaning<P> {
    cases: Vec<Case<P>>,
}

/// One case. Without a category it says that such events have none.
#[derive(Debug, Clone)]
pub(crate) struct Case<P> {
    /// All of them must hold.
    pub(crate) when: Vec<(P, Condition)>,
    pub(crate) category: Option<&'static str>,
}

impl Case<Pointer> {
    /// Its conditions in words.
    pub(crate) fn conditions(&self) -> String {
        let words = |(at, condition): &(Pointer, Condition)| format!("{at} {condition}");
        self.when.iter().map(words).collect::<Vec<_>>().join(", ")
    }
}

/// What is asked of one value of the body.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::Value")]
pub(crate) enum Condition {
    /// It is there, and neither null nor an empty text; or it is not.
    There(bool),
    /// Its text is one of these, where `*` stands for any run of characters.
    Is(Vec<String>),
}

impl TryFrom<toml::Value> for Condition {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Condition, String> {
        let text = |value: toml::Value| match value {
            toml::Value::String(text) if !text.is_empty() => Ok(text),
            other => {
                Err(format!("`{other}` is neither a text, nor a list of texts, nor true (there) or false (absent)"))
            }
        };
        match value {
            toml::Value::Boolean(there) => Ok(Condition::There(there)),
            toml::Value::Array(list) if !list.is_empty() => {
                list.into_iter().map(text).collect::<Result<_, _>>().map(Condition::Is)
            }
            one => text(one).map(|text| Condition::Is(vec![text])),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::There(true) => f.write_str("is there"),
            Condition::There(false) => f.write_str("is absent"),
            Condition::Is(texts) => write!(f, "is {}", texts.join(" or ")),
        }
    }
}

/// A case as written: a category alone, or `{ when = { "/pointer" = "value" }, category = "…" }`.
#[derive(Debug, Clone)]
pub(crate) struct CaseSpec {
    when: BTreeMap<String, Condition>,
    category: Option<String>,
}

impl<'de> Deserialize<'de> for CaseSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CaseSpec, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            when: BTreeMap<String, Condition>,
            category: Option<String>,
        }

        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = CaseSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a category or { when, category }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CaseSpec, E> {
                Ok(CaseSpec { when: BTreeMap::new(), category: Some(text.to_owned()) })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CaseSpec, A::Error> {
                let Table { when, category } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(CaseSpec { when, category })
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl CaseSpec {
    fn compile(&self) -> Result<Case<Pointer>, String> {
        let known = |name: &String| {
            let found = CATEGORIES.iter().find(|(known, _)| known == name).map(|(known, _)| *known);
            let all: Vec<_> = CATEGORIES.iter().map(|(known, _)| *known).collect();
            found.ok_or_else(|| format!("unknown category `{name}`, expected one of {}", all.join(", ")))
        };
        let condition = |(pointer, condition): (&String, &Condition)| {
            let pointer = pointer.parse().map_err(|error: PointerError| error.to_string())?;
            Ok((pointer, condition.clone()))
        };
        Ok(Case {
            category: self.category.as_ref().map(known).transpose()?,
            when: self.when.iter().map(condition).collect::<Result<_, String>>()?,
        })
    }
}

/// `[categories]` of a file, each checked against the vocabulary.
pub(crate) fn compile(table: &CategoriesSpec) -> Result<Globs<Meaning<Pointer>>, Fault> {
    let entry = |(pattern, cases): (&String, &OneOrMany<CaseSpec>)| {
        let fault = |problem: String| Fault::new(pattern, problem).within("categories");
        let cases = cases.0.iter().map(|case| case.compile().map_err(fault)).collect::<Result<Vec<_>, _>>()?;
        // A case that always holds hides those after it.
        match cases.iter().position(|case| case.when.is_empty()) {
            Some(place) if place + 1 < cases.len() => Err(fault("a case without `when` must be the last".to_owned())),
            _ => Ok((pattern.clone(), Meaning { cases })),
        }
    };
    table.iter().map(entry).collect::<Result<Vec<_>, _>>().map(Globs::new)
}

impl<P> Meaning<P> {
    /// Its cases, in their order.
    pub(crate) fn cases(&self) -> &[Case<P>] {
        &self.cases
    }

    /// Everything that it looks at.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = &P> {
        self.cases.iter().flat_map(|case| case.when.iter().map(|(at, _)| at))
    }

    /// The same with other pointers.
    pub(crate) fn map<Q>(&self, pointer: &mut dyn FnMut(&P) -> Q) -> Meaning<Q> {
        let case = |case: &Case<P>| Case {
            when: case.when.iter().map(|(at, condition)| (pointer(at), condition.clone())).collect(),
            category: case.category,
        };
        Meaning { cases: self.cases.iter().map(case).collect() }
    }
}

impl Meaning<Option<usize>> {
    /// The category of one event: the first case that holds decides. A pointer without a slot leads nowhere.
    pub(crate) fn of(&self, found: Option<&Found<'_>>) -> Option<&'static str> {
        let holds = |(slot, condition): &(Option<usize>, Condition)| {
            let place = found.zip(*slot);
            match condition {
                Condition::There(wanted) => {
                    let raw = place.and_then(|(found, slot)| found.raw(slot));
                    raw.is_some_and(|raw| !matches!(raw, b"null" | b"\"\"")) == *wanted
                }
                Condition::Is(texts) => {
                    let text = place.and_then(|(found, slot)| found.text(slot));
                    text.is_some_and(|text| texts.iter().any(|pattern| matches(pattern, &text)))
                }
            }
        };
        self.cases.iter().find(|case| case.when.iter().all(holds))?.category
    }
}

#[cfg(test)]
mod tests {
    use super::{CategoriesSpec, compile};
    use crate::event::{Pointer, Wanted, scan};

    fn category(rules: &str, kind: &str, body: &str) -> Option<&'static str> {
        let spec: CategoriesSpec = toml::from_str(rules).unwrap();
        let mut pointers: Vec<Pointer> = Vec::new();
        let globs = compile(&spec).unwrap().map(|meaning| {
            meaning.map(&mut |at: &Pointer| {
                pointers.push(at.clone());
                Some(pointers.len() - 1)
            })
        });
        let found = scan(body.as_bytes(), &Wanted::new(&pointers)).unwrap();
        globs.get(kind)?.of(Some(&found))
    }

    const RULES: &str = r#"
"paid" = [
    { when = { "/amount" = "0" } },
    { when = { "/state" = ["done", "o*k"], "/refund" = false }, category = "payment.succeeded" },
    { when = { "/refund" = true }, category = "payment.refunded" },
]
"pa*" = "order.updated"
"push" = [{ when = { "/deleted" = "true" } }, "code.pushed"]
"#;

    #[test]
    fn the_first_case_that_holds_decides() {
        for (kind, body, expected) in [
            ("paid", r#"{"amount":5,"state":"done"}"#, Some("payment.succeeded")),
            ("paid", r#"{"amount":5,"state":"okk","refund":null}"#, Some("payment.succeeded")),
            ("paid", r#"{"amount":5,"state":"done","refund":{}}"#, Some("payment.refunded")),
            ("paid", r#"{"amount":0,"state":"done"}"#, None),
            ("paid", r#"{"amount":"0","state":"done"}"#, None),
            ("paid", r#"{"amount":5,"state":"open"}"#, None),
            ("paid", "{}", None),
            ("past", "{}", Some("order.updated")),
            ("push", r#"{"deleted":true}"#, None),
            ("push", r#"{"deleted":false}"#, Some("code.pushed")),
            ("push", "[]", Some("code.pushed")),
            ("other", "{}", None),
        ] {
            assert_eq!(category(RULES, kind, body), expected, "{kind} {body}");
        }
    }

    #[test]
    fn faults_say_where() {
        for (rules, problem) in [
            (r#"a = ["order.created", { when = { "/a" = "b" } }]"#, "a case without `when` must be the last"),
            (r#"a = [{ when = { "a" = "b" } }]"#, "a"),
            (r#"a = { when = { "/a" = "b" }, category = "no.such" }"#, "unknown category `no.such`"),
        ] {
            let spec: CategoriesSpec = toml::from_str(rules).unwrap();
            let fault = compile(&spec).expect_err(rules).in_file("x.toml", rules).to_string();
            assert!(fault.contains(problem) && fault.contains("categories"), "{fault}");
        }
        for rules in [
            r#"a = { when = { "/a" = 1 } }"#,
            r#"a = { when = { "/a" = [] } }"#,
            r#"a = { category = "order.created" }"#,
        ] {
            assert!(toml::from_str::<CategoriesSpec>(rules).is_err(), "{rules}");
        }
    }
}
