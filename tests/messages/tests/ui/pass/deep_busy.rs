//! Async functions whose polls are measured, one inside the other, in a future that is sent: three quarters as many as the compiler takes without an
//! attribute.
#![deny(warnings)]

use ferrometer::timer;

fn sent<T: Send>(_: T) {}

#[timer(busy)]
async fn f0(x: u32) -> Result<u32, String> {
    let value = f1(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f1(x: u32) -> Result<u32, String> {
    let value = f2(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f2(x: u32) -> Result<u32, String> {
    let value = f3(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f3(x: u32) -> Result<u32, String> {
    let value = f4(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f4(x: u32) -> Result<u32, String> {
    let value = f5(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f5(x: u32) -> Result<u32, String> {
    let value = f6(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f6(x: u32) -> Result<u32, String> {
    let value = f7(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f7(x: u32) -> Result<u32, String> {
    let value = f8(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f8(x: u32) -> Result<u32, String> {
    let value = f9(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f9(x: u32) -> Result<u32, String> {
    let value = f10(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f10(x: u32) -> Result<u32, String> {
    let value = f11(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f11(x: u32) -> Result<u32, String> {
    let value = f12(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f12(x: u32) -> Result<u32, String> {
    let value = f13(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f13(x: u32) -> Result<u32, String> {
    let value = f14(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f14(x: u32) -> Result<u32, String> {
    let value = f15(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f15(x: u32) -> Result<u32, String> {
    let value = f16(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f16(x: u32) -> Result<u32, String> {
    let value = f17(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f17(x: u32) -> Result<u32, String> {
    let value = f18(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f18(x: u32) -> Result<u32, String> {
    let value = f19(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f19(x: u32) -> Result<u32, String> {
    let value = f20(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f20(x: u32) -> Result<u32, String> {
    let value = f21(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f21(x: u32) -> Result<u32, String> {
    let value = f22(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f22(x: u32) -> Result<u32, String> {
    let value = f23(x).await?;
    Ok(value + 1)
}

#[timer(busy)]
async fn f23(x: u32) -> Result<u32, String> {
    let value = f24(x).await?;
    Ok(value + 1)
}

async fn f24(x: u32) -> Result<u32, String> {
    std::future::ready(()).await;
    Ok(x)
}

fn main() {
    sent(f0(1));
}
