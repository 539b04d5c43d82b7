//! A list of nearly always one: nothing is allocated for that one, and requests pay for what they bring.

/// No value, one, or several.
#[derive(Debug, Default)]
pub(crate) enum Few<T> {
    #[default]
    None,
    One(T),
    More(Vec<T>),
}

impl<T> Few<T> {
    pub(crate) fn push(&mut self, value: T) {
        match self {
            Few::None => *self = Few::One(value),
            Few::One(_) | Few::More(_) => self.push_further(value),
        }
    }

    #[cold]
    fn push_further(&mut self, value: T) {
        let mut values = match std::mem::take(self) {
            Few::None => Vec::new(),
            Few::One(first) => vec![first],
            Few::More(values) => values,
        };
        values.push(value);
        *self = Few::More(values);
    }

    fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(value) => std::slice::from_ref(value),
            Few::More(values) => values,
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.as_slice().iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Few::None)
    }

    /// The one value; `None` where there are none or several.
    pub(crate) fn only(&self) -> Option<&T> {
        match self {
            Few::One(value) => Some(value),
            Few::None | Few::More(_) => None,
        }
    }
}
