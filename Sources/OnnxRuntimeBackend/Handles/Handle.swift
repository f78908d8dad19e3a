import COnnxRuntime
import ModelBackend

/// Something that the runtime made and that is released with its owner: an environment, options, a session, a value.
///
/// The runtime's handles may be used on any thread; sessions and values are never changed after they were made.
@safe final class Handle: Sendable {
  nonisolated(unsafe) let pointer: OpaquePointer
  private let api: RuntimeAPI
  private let slot: cort_release_slot
  /// What must outlive the handle.
  private let keeper: Handle?
  private let isNoisy: Bool

  /// Makes a handle with `make`, which fills the pointer and returns a status.
  ///
  /// A noisy handle prints on standard output when it goes, which is diverted then.
  init(
    _ api: RuntimeAPI, _ slot: cort_release_slot, keeping keeper: Handle? = nil, isNoisy: Bool = false,
    _ during: String, _ make: (inout OpaquePointer?) -> OpaquePointer?
  ) throws(BackendError) {
    var made: OpaquePointer?
    try unsafe api.check(make(&made), during)
    guard let made = unsafe made else {
      throw BackendError(.failed, "\(during): ONNX Runtime gave nothing back")
    }
    unsafe pointer = made
    self.api = api
    self.slot = slot
    self.keeper = keeper
    self.isNoisy = isNoisy
  }

  /// Takes over a handle that somebody else made.
  @unsafe init(
    _ api: RuntimeAPI, _ slot: cort_release_slot, keeping keeper: Handle?, adopting pointer: OpaquePointer
  ) {
    unsafe self.pointer = pointer
    self.api = api
    self.slot = slot
    self.keeper = keeper
    isNoisy = false
  }

  deinit {
    if isNoisy { OutputDiversion.begin() }
    // Safe: the handle is ours, nobody can use it any more, and it is released once.
    unsafe cort_release(api.table, slot, UnsafeMutableRawPointer(pointer))
    if isNoisy { OutputDiversion.end() }
  }
}
