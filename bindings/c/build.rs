//! Linker options of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Programs are bound to this version of the interface, whatever the file is called that they link.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,liboccopus.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    // Threads of the library may still be at work when a program unloads it: it stays.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
