import ONNXFile
import Tensors
import Testing

@Suite("The place of every byte is known before the first is written")
struct ModelLayoutTests {
  private func model(_ sizes: [Int]) -> ModelProto {
    var model = ModelProto()
    model.irVersion = 8
    model.graph = GraphProto()
    model.graph?.initializer = sizes.enumerated().map {
      byteTensor("w", .promised(PayloadID($0.offset), byteCount: $0.element))
    }
    return model
  }

  private func layout(_ model: ModelProto, _ policy: ExternalDataPolicy) throws -> ModelLayout {
    try ModelLayout(model, policy: policy, dataFileName: "m.onnx.data", path: "m.onnx")
  }

  /// A one-tensor model of exactly this length.
  private func model(byteCount: Int) throws -> ModelProto {
    let around = try layout(model([1 << 30]), .never).modelByteCount - (1 << 30)
    // The lengths of messages this large take five bytes each, as at 1 GiB.
    return model([byteCount - around])
  }

  @Test("auto keeps a model of 2 GiB - 1 in one file and splits one that is a byte longer")
  func autoSwitch() throws {
    let limit = 0x7FFF_FFFF
    let fits = try layout(model(byteCount: limit), .auto)
    #expect(fits.modelByteCount == limit)
    #expect(fits.dataByteCount == nil)
    let larger = try model(byteCount: limit + 1)
    let split = try layout(larger, .auto)
    let size = try #require(larger.graph?.initializer[0].rawData).byteCount
    #expect(split.dataByteCount == size)
    #expect(split.modelByteCount < 200)
    #expect(throws: ONNXFileError.self) { try layout(larger, .never) }
  }

  @Test("a model that must stay one file and cannot is refused")
  func tooLarge() throws {
    #expect {
      try layout(model(byteCount: 3 << 30), .never)
    } throws: { error in
      (error as? ONNXFileError)?.message
        == "m.onnx: the model takes 3221225472 bytes, and one ONNX file holds at most 2147483647; "
        + "write its weights to a second file with --external-data auto"
    }
  }

  @Test("extents of many gigabytes are aligned and do not overlap")
  func largeData() throws {
    let sizes = [5 << 30, 1023, 1024, 3 << 30, 1, (1 << 20) - 1, 1 << 20, 7 << 30]
    let layout = try layout(model(sizes), .auto)
    var end = 0
    var external: [Int] = []
    for extent in layout.extents where extent.part == .data {
      let size = extent.bytes.byteCount
      #expect(extent.byteOffset % (size >= 1 << 20 ? 65_536 : 64) == 0)
      #expect(extent.byteOffset >= end && extent.byteOffset < end + 65_536)
      end = extent.byteOffset + size
      external.append(size)
    }
    #expect(external == sizes.filter { $0 >= 1024 })
    #expect(layout.dataByteCount == end)
    var modelEnd = 0
    for extent in layout.extents where extent.part == .model {
      #expect(extent.byteOffset >= modelEnd)
      modelEnd = extent.byteOffset + extent.bytes.byteCount
    }
    #expect(modelEnd <= layout.modelByteCount)
  }

  @Test("initializers of graphs inside nodes move too; attributes' tensors and small ones stay")
  func whatMoves() throws {
    var attribute = AttributeProto()
    var inner = GraphProto()
    inner.initializer = [byteTensor("inner", .promised(PayloadID(0), byteCount: 4096))]
    attribute.g = Boxed(inner)
    var value = AttributeProto()
    value.t = Boxed(byteTensor("value", .promised(PayloadID(1), byteCount: 4096)))
    var node = NodeProto()
    node.attribute = [attribute, value]
    var model = model([4096, 100])
    model.graph?.node = [node]
    let layout = try layout(model, .always)
    #expect(layout.extents.filter { $0.part == .data }.count == 2)
    #expect(layout.extents.filter { $0.part == .model }.map(\.bytes.byteCount) == [4096, 100])
  }

  @Test(
    "a tensor that would still refer to the source's data is refused", arguments: ExternalDataPolicy.allCases)
  func unresolved(policy: ExternalDataPolicy) {
    var tensor = TensorProto()
    tensor.name = "value"
    tensor.dataLocation = 1
    var attribute = AttributeProto()
    attribute.t = Boxed(tensor)
    var node = NodeProto()
    node.attribute = [attribute]
    var model = model([])
    model.graph?.node = [node]
    #expect {
      try layout(model, policy)
    } throws: { error in
      (error as? ONNXFileError)?.message
        == "m.onnx: external data of tensor 'value': only initializers can be moved, and this tensor is part of a "
        + "node; save the model with its data inside first"
    }
  }
}
