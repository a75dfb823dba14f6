//! Tells the kinds of functions apart, as far as a signature tells.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Signature, Token, Type, TypeInfer, TypeParamBound};

use crate::span::ours;

/// Part of a function that has to be measured.
pub enum Shape {
    /// The body, as it runs.
    Plain(Output),
    /// The body of an `async fn`: from the first poll.
    Async(Output),
    /// The future that the function returns: from its first poll. The call itself only builds it.
    Future(Box<Returned>),
}

/// Result of a function.
pub enum Output {
    Unit,
    /// `!`: nothing ever does.
    Never,
    /// A type that can be written inside a body: every `impl Trait` in it is `_`.
    Type(Box<Type>),
}

/// A future as return type.
pub struct Returned {
    pub output: Output,
    /// The declared return type, as it can be written inside a body.
    pub declared: Type,
    /// Where the return type stands.
    pub span: Span,
    /// A promise about the future, as written, that no future of ours can keep.
    pub promise: Option<TokenStream>,
    pub form: Form,
}

/// How the future is returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `impl Future`
    Opaque,
    /// `impl Future + Unpin`
    OpaqueUnpin,
    /// `Pin<Box<dyn Future>>`, which `#[async_trait]` makes of `async fn`
    Boxed,
    /// `Pin<Box<impl Future>>`
    BoxedOpaque,
}

impl Shape {
    pub fn of(sig: &Signature) -> Shape {
        if sig.asyncness.is_some() {
            return Shape::Async(Output::of_return(&sig.output));
        }
        if let ReturnType::Type(_, ty) = &sig.output
            && let Some((form, output)) = future(ty)
        {
            let output = output.map_or_else(|| Output::Type(Box::new(infer())), Output::of);
            return Shape::Future(Box::new(Returned {
                output,
                declared: erased(ty),
                span: ty.span().resolved_at(ours()),
                promise: promise(ty),
                form,
            }));
        }
        Shape::Plain(Output::of_return(&sig.output))
    }

    pub fn output(&self) -> &Output {
        match self {
            Shape::Plain(output) | Shape::Async(output) => output,
            Shape::Future(returned) => &returned.output,
        }
    }
}

impl Output {
    /// Returns whether it is a `Poll`: `?` leaves with one of these as with a `Result`, and it is none.
    pub fn is_poll(&self) -> bool {
        matches!(self, Output::Type(ty) if matches!(&**ty, Type::Path(path)
            if path.path.segments.last().is_some_and(|segment| segment.ident == "Poll")))
    }

    /// The span for what is ours but should be reported where the return type stands.
    pub fn span(&self) -> Span {
        match self {
            Output::Type(ty) => ty.span().resolved_at(ours()),
            Output::Unit | Output::Never => ours(),
        }
    }

    fn of_return(output: &ReturnType) -> Output {
        match output {
            ReturnType::Default => Output::Unit,
            ReturnType::Type(_, ty) => Output::of(ty),
        }
    }

    fn of(ty: &Type) -> Output {
        match bare(ty) {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Output::Unit,
            Type::Never(_) => Output::Never,
            ty => Output::Type(Box::new(erased(ty))),
        }
    }
}

/// The form of a future, and its output where the type names one.
fn future(ty: &Type) -> Option<(Form, Option<&Type>)> {
    match bare(ty) {
        Type::ImplTrait(opaque) => {
            let output = future_bound(&opaque.bounds)?;
            let unpin = opaque.bounds.iter().any(|bound| bound_name(bound).is_some_and(|s| s.ident == "Unpin"));
            Some((if unpin { Form::OpaqueUnpin } else { Form::Opaque }, output))
        }
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Pin" => boxed(only_type(last)?),
                // The usual aliases of `Pin<Box<dyn Future>>`.
                "BoxFuture" | "LocalBoxFuture" => Some((Form::Boxed, Some(only_type(last)?))),
                _ => None,
            }
        }
        _ => None,
    }
}

fn boxed(ty: &Type) -> Option<(Form, Option<&Type>)> {
    let Type::Path(path) = bare(ty) else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Box")?;
    match bare(only_type(last)?) {
        Type::TraitObject(object) => Some((Form::Boxed, future_bound(&object.bounds)?)),
        Type::ImplTrait(opaque) => Some((Form::BoxedOpaque, future_bound(&opaque.bounds)?)),
        _ => None,
    }
}

/// `Some` if one of the bounds is `Future`; inside, the type of `Future<Output = type>`.
fn future_bound(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<Option<&Type>> {
    let segment = bounds.iter().filter_map(bound_name).find(|segment| segment.ident == "Future")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return Some(None) };
    Some(arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
        _ => None,
    }))
}

/// The first bound of an `impl Future` that no async block meets. A trait that is not named here may be one that every type has, as those that
/// only name lifetimes are.
fn promise(ty: &Type) -> Option<TokenStream> {
    const NEVER_MET: [&str; 11] =
        ["Clone", "Copy", "Debug", "Default", "Display", "Eq", "FusedFuture", "Hash", "Ord", "PartialEq", "PartialOrd"];
    let Type::ImplTrait(opaque) = bare(ty) else { return None };
    let never_met = |bound: &&TypeParamBound| {
        bound_name(bound).is_some_and(|segment| NEVER_MET.iter().any(|name| segment.ident == name))
    };
    opaque.bounds.iter().find(never_met).map(ToTokens::to_token_stream)
}

fn bound_name(bound: &TypeParamBound) -> Option<&PathSegment> {
    match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last(),
        _ => None,
    }
}

/// The single type argument of a segment.
fn only_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.next().filter(|_| types.next().is_none())
}

/// Without parentheses and the invisible groups of a `macro_rules!` fragment.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        _ => ty,
    }
}

fn infer() -> Type {
    Type::Infer(TypeInfer { attrs: Vec::new(), underscore_token: Token![_](ours()) })
}

fn erased(ty: &Type) -> Type {
    // Read again and not cloned: without `Clone` for what it parses, `syn` is compiled a fifth faster.
    let mut ty = syn::parse2(ty.to_token_stream()).unwrap_or_else(|_| infer());
    erase(&mut ty);
    ty
}

/// Replaces every `impl Trait`, which a body cannot name, by `_`.
fn erase(ty: &mut Type) {
    match ty {
        Type::ImplTrait(_) => *ty = infer(),
        Type::Array(array) => erase(&mut array.elem),
        Type::Slice(slice) => erase(&mut slice.elem),
        Type::Group(group) => erase(&mut group.elem),
        Type::Paren(paren) => erase(&mut paren.elem),
        Type::Ptr(pointer) => erase(&mut pointer.elem),
        Type::Reference(reference) => erase(&mut reference.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(erase),
        Type::Path(path) => path.path.segments.iter_mut().for_each(erase_segment),
        Type::TraitObject(object) => {
            for bound in &mut object.bounds {
                if let TypeParamBound::Trait(bound) = bound {
                    bound.path.segments.iter_mut().for_each(erase_segment);
                }
            }
        }
        // Function pointers, macros and the rest cannot hold one.
        _ => {}
    }
}

fn erase_segment(segment: &mut PathSegment) {
    match &mut segment.arguments {
        PathArguments::None => {}
        PathArguments::AngleBracketed(arguments) => {
            for argument in &mut arguments.args {
                match argument {
                    GenericArgument::Type(ty) => erase(ty),
                    GenericArgument::AssocType(assoc) => erase(&mut assoc.ty),
                    _ => {}
                }
            }
        }
        PathArguments::Parenthesized(arguments) => {
            if let ReturnType::Type(_, ty) = &mut arguments.output {
                erase(ty);
            }
        }
    }
}
