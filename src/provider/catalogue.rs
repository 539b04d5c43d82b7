//! All provider files known, by name.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::compiled::Provider;
use super::error::SpecError;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/providers.rs"));
}

/// The longest name that is compared with others, in characters.
const MAX_NAME: usize = 64;

/// Provider files, compiled. Texts come in; where they lie is the caller's business.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    providers: BTreeMap<String, Arc<Provider>>,
}

impl Catalogue {
    /// The files that came with this binary.
    ///
    /// # Errors
    /// One of them is faulty; a test sees to it that none is.
    pub fn embedded() -> Result<Catalogue, SpecError> {
        // Compiled once, however often a configuration is read.
        static COMPILED: LazyLock<Result<Catalogue, SpecError>> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            embedded_files().iter().try_for_each(|(file, text)| catalogue.add(file, text))?;
            Ok(catalogue)
        });
        COMPILED.clone()
    }

    /// Add a provider, or put it in the place of the one with its name.
    ///
    /// # Errors
    /// The first fault, with file, line, key and what is allowed there.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), SpecError> {
        let provider = Provider::parse(file, text)?;
        self.providers.insert(provider.name().to_owned(), Arc::new(provider));
        Ok(())
    }

    /// The provider of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.get(name)
    }

    /// For whoever asked for a provider that is not there: the names that look most like it, as the rest of a sentence.
    pub fn near(&self, name: &str) -> String {
        let wanted = name.to_lowercase().replace(['_', ' '], "-");
        let mut near: Vec<(usize, &str)> = self
            .providers
            .keys()
            .filter_map(|known| {
                let part = wanted.len() >= 3 && (known.contains(&wanted) || wanted.contains(known.as_str()));
                let distance = if part { 0 } else { distance(&wanted, known) };
                (distance <= 1 + wanted.chars().count() / 4).then_some((distance, known.as_str()))
            })
            .collect();
        near.sort_unstable();
        let names: Vec<String> = near.iter().take(4).map(|(_, known)| format!("`{known}`")).collect();
        match names.as_slice() {
            [] => {
                "; `hookstream providers` lists those that are known, `generic` takes any sender that signs with HMAC"
                    .to_owned()
            }
            names => format!("; did you mean {}?", names.join(" or ")),
        }
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }
}

/// How many letters must be added, left out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(MAX_NAME).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, letter) in one.chars().take(MAX_NAME).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, &against) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != against);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The embedded provider files: file name and text.
pub fn embedded_files() -> &'static [(&'static str, &'static str)] {
    embedded::PROVIDERS
}

/// The vector files beside the embedded providers: file name and text.
pub fn embedded_vectors() -> &'static [(&'static str, &'static str)] {
    embedded::VECTORS
}

#[cfg(test)]
mod tests {
    use super::Catalogue;

    #[test]
    fn near_names_are_found() {
        let catalogue = Catalogue::embedded().unwrap();
        for (wrong, right) in [("strype", "stripe"), ("GitHb", "github"), ("hub_spot", "hubspot"), ("zoho", "zoho-crm")]
        {
            assert!(catalogue.near(wrong).contains(&format!("`{right}`")), "{wrong}: {}", catalogue.near(wrong));
        }
        assert!(catalogue.near("qqqqqqqq").contains("hookstream providers"));
    }

    #[test]
    fn every_embedded_file_is_sound() {
        let catalogue = Catalogue::embedded().unwrap();
        let names: Vec<_> = catalogue.iter().map(|provider| provider.name()).collect();
        for name in ["generic", "github", "razorpay", "shopify", "slack", "standard-webhooks", "stripe", "woocommerce"]
        {
            assert!(names.contains(&name), "{name}");
        }
        assert!(catalogue.iter().all(|provider| !provider.samples().is_empty()));
    }
}
