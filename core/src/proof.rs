//! [`When`]: return types that stay unknown where a bound does not hold.
//!
//! rustc reports a method call on a value whose type lacks the method, even if that type came of a call whose bounds were not satisfied: behind the
//! message that helps stands one that prints the type of the whole chain. It stays silent about a value of unknown type. So a method returns `When<Proof, X>`,
//! `Proof` being an associated type of the trait in its bound: where the trait is not implemented, nobody knows the type.

/// `X`, in a signature that holds only if `Proof` can be named.
pub type When<Proof, X> = <Proof as Always>::Then<X>;

/// Implemented for every type; see [`When`].
pub trait Always {
    /// `X`.
    type Then<X>;
}

impl<Proof> Always for Proof {
    type Then<X> = X;
}
