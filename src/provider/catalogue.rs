//! All provider files known, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::compiled::Provider;
use super::error::SpecError;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/providers.rs"));
}

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
        let mut catalogue = Catalogue::default();
        for (file, text) in embedded::PROVIDERS {
            catalogue.add(file, text)?;
        }
        Ok(catalogue)
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

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }
}

/// The vector files beside the embedded providers: file name and text.
pub fn embedded_vectors() -> &'static [(&'static str, &'static str)] {
    embedded::VECTORS
}

#[cfg(test)]
mod tests {
    use super::Catalogue;

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
