import COnnxRuntime
import ModelBackend
import Tensors

/// Reads the inputs or outputs of a loaded model.
@safe struct ModelEnds {
  let api: RuntimeAPI
  let session: Handle

  func signatures(_ end: cort_end) throws(BackendError) -> [TensorSignature] {
    // Safe, for all calls here: the session's handle lives as long as `self`; results are variables of this scope.
    var count = 0
    try unsafe api.check(cort_count(api.table, end, session.pointer, &count), "counting the model's ends")
    var found: [TensorSignature] = []
    for index in 0..<count { found.append(try signature(end, index)) }
    return found
  }

  private func signature(_ end: cort_end, _ index: Int) throws(BackendError) -> TensorSignature {
    let name = try name(end, index)
    let type = try unsafe Handle(api, cort_release_type_info, "reading the type of \(name)") { result in
      unsafe cort_type(api.table, end, session.pointer, index, &result)
    }
    var tensor: OpaquePointer?
    // Safe: the view belongs to `type`, which lives to the end of this function.
    try unsafe api.check(cort_tensor_of_type(api.table, type.pointer, &tensor), "reading the type of \(name)")
    guard let tensor = unsafe tensor else {
      return TensorSignature(name: name, elementType: nil, dimensions: nil)
    }
    defer { withExtendedLifetime(type) {} }
    let reader = unsafe TensorTypeReader(api: api, info: tensor)
    return TensorSignature(
      name: name, elementType: try reader.elementType(), dimensions: try reader.signatureDimensions())
  }

  private func name(_ end: cort_end, _ index: Int) throws(BackendError) -> String {
    var allocator: OpaquePointer?
    try unsafe api.check(cort_default_allocator(api.table, &allocator), "asking for the allocator")
    guard let allocator = unsafe allocator else { throw BackendError(.failed, "there is no allocator") }
    var text: UnsafeMutablePointer<CChar>?
    try unsafe api.check(
      cort_name(api.table, end, session.pointer, index, allocator, &text), "reading the name of end \(index)")
    guard let text = unsafe text else { throw BackendError(.failed, "end \(index) has no name") }
    // Safe: a NUL-terminated text that is copied here and then given back to the allocator it came from.
    let name = unsafe String(cString: text)
    try unsafe api.check(cort_free(api.table, allocator, text), "giving a name back")
    return name
  }
}

/// Reads type and shape of a tensor; the owner of `info` must outlive the reader.
@safe struct TensorTypeReader {
  let api: RuntimeAPI
  nonisolated(unsafe) let info: OpaquePointer

  func elementType() throws(BackendError) -> ElementType? {
    var number: Int32 = 0
    try unsafe api.check(cort_element_type(api.table, info, &number), "reading an element type")
    return ElementType(runtimeNumber: number)
  }

  /// Extents, -1 where they are not known.
  func extents() throws(BackendError) -> [Int64] {
    var rank = 0
    try unsafe api.check(cort_rank(api.table, info, &rank), "reading a rank")
    var extents = [Int64](repeating: 0, count: rank)
    // Safe: the array has room for `rank` numbers.
    try unsafe api.check(cort_dimensions(api.table, info, &extents, rank), "reading dimensions")
    return extents
  }

  func signatureDimensions() throws(BackendError) -> [Dimension] {
    let extents = try extents()
    var symbols = unsafe [UnsafePointer<CChar>?](repeating: nil, count: extents.count)
    // Safe: the array has room for as many pointers; their texts belong to the type and are copied here.
    try unsafe api.check(cort_symbols(api.table, info, &symbols, extents.count), "reading dimension names")
    var dimensions: [Dimension] = []
    for index in extents.indices {
      let name = unsafe api.text(symbols[index]) ?? ""
      if extents[index] >= 0 {
        dimensions.append(.fixed(Int(extents[index])))
      } else {
        dimensions.append(name.isEmpty ? .unknown : .symbol(name))
      }
    }
    return dimensions
  }
}

extension ElementType {
  /// ONNX Runtime numbers its types like ONNX, up to float4e2m1.
  static let runtimeNumbers: ClosedRange<Int32> = 1...23

  init?(runtimeNumber: Int32) {
    guard ElementType.runtimeNumbers.contains(runtimeNumber) else { return nil }
    self.init(rawValue: runtimeNumber)
  }
}
