//! Bounds on what a template may do, so that one typed by anybody ends, soon, in bounded memory.

/// How deep templates may call each other, pipelines and blocks may nest, and values may nest where they
/// are printed, compared or copied.
pub(crate) const MAX_DEPTH: usize = 200;

/// Bounds for one rendering.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most bytes of output.
    pub output: usize,
    /// Most units of work. A step of the template costs one, and so does every byte or item that a function
    /// makes; memory is bounded by this too.
    pub work: usize,
}

impl Default for Limits {
    /// 16 MiB of output, 64 million units of work: under a second, far more than any report needs.
    fn default() -> Self {
        Self { output: 16 << 20, work: 64 << 20 }
    }
}

/// What is left of the bounds.
#[derive(Debug)]
pub(crate) struct Budget {
    work: usize,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { work: limits.work }
    }

    /// Takes `units` of work; fails when they are not left. Called before the work is done.
    pub(crate) fn charge(&mut self, units: usize) -> Result<(), String> {
        match self.work.checked_sub(units) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => {
                self.work = 0;
                Err("the template does too much work: it was stopped at its limit".to_owned())
            }
        }
    }

    /// Takes the work of a list of so many items.
    pub(crate) fn charge_items(&mut self, items: usize) -> Result<(), String> {
        self.charge(items.saturating_mul(size_of::<crate::value::Value>()))
    }
}
