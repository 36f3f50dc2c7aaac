//! [`Ordered`]: what has a least and a greatest value.

use std::cmp::Ordering;

use super::End;
use crate::{key::Key, record::Record};

/// What `min`, `max`, `min_by`, `max_by`, `top_k` and `bottom_k` compare: every [`Key`] type, in the order of [`Key::compare`], and floats, in
/// numerical order with -0 before +0.
///
/// A `None` and a `NaN` are left out: to the first four they are the result only where there is nothing else, to the others never.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` have no order",
    label = "the closure returns `{Self}`",
    note = "`min`, `max`, `min_by`, `max_by`, `top_k` and `bottom_k` compare keys (integers, strings, times, tuples of these ..), floats, and options of these; return owned values: `String` rather than `&str`"
)]
pub trait Ordered: Record + Clone {
    /// `()`; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type OrderProof;
    /// True for what is left out.
    fn is_absent(view: Self::View<'_>) -> bool;
    /// A total order.
    fn compare(a: Self::View<'_>, b: Self::View<'_>) -> Ordering;
}

#[diagnostic::do_not_recommend]
impl<K: Key + Clone> Ordered for K {
    type OrderProof = K::KeyProof;

    #[inline(always)]
    fn is_absent(view: K::View<'_>) -> bool {
        K::is_none(view)
    }

    #[inline(always)]
    fn compare(a: K::View<'_>, b: K::View<'_>) -> Ordering {
        <K as Key>::compare(a, b)
    }
}

macro_rules! float {
    ($($type:ty)*) => { $(
        impl Ordered for $type {
            type OrderProof = ();

            #[inline(always)]
            fn is_absent(view: $type) -> bool {
                view.is_nan()
            }

            #[inline(always)]
            fn compare(a: $type, b: $type) -> Ordering {
                a.total_cmp(&b)
            }
        }

        impl Ordered for Option<$type> {
            type OrderProof = ();

            #[inline(always)]
            fn is_absent(view: Option<$type>) -> bool {
                view.is_none_or(<$type>::is_nan)
            }

            #[inline(always)]
            fn compare(a: Option<$type>, b: Option<$type>) -> Ordering {
                match (a, b) {
                    (Some(a), Some(b)) => a.total_cmp(&b),
                    (a, b) => a.is_some().cmp(&b.is_some()),
                }
            }
        }
    )* };
}

float! { f32 f64 }

/// Where `a` stands beside `b` if the values of one end come first: `Less` is nearer to it. What is absent is behind all else.
#[inline(always)]
pub(super) fn rank<V: Ordered, E: End>(a: V::View<'_>, b: V::View<'_>) -> Ordering {
    let compare = || if E::REPLACES.is_lt() { V::compare(a, b) } else { V::compare(b, a) };
    V::is_absent(a).cmp(&V::is_absent(b)).then_with(compare)
}
