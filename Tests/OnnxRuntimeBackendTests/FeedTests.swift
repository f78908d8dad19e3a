import Foundation
import ModelBackend
import OnnxRuntimeBackend
import Tensors
import TestSupport
import Testing

@Suite("Feeds that do not fit") struct FeedTests {
  private func failure(_ feeds: [String: TensorContent], outputs: [String] = ["y"]) throws -> BackendError {
    let session = try Runtime.open().openSession(model: try SmallModels.path("add.onnx"))
    return try #require(throws: BackendError.self) { _ = try session.run(feeds, outputs: outputs) }
  }

  @Test("name the input that the model does not have") func unknown() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let error = try failure(["a": one, "b": one, "c": one])
    #expect(error.reason == .badFeed)
    #expect(
      error.message == "the model has no input \"c\"; its inputs are a (float [n, 3]), b (float [n, 3])")
  }

  @Test("name the input that is missing") func missing() throws {
    let error = try failure(["a": try TensorContent(floats: [1, 2, 3], [1, 3])])
    #expect(error.message == "the input \"b\" is missing; the model takes a (float [n, 3]), b (float [n, 3])")
  }

  @Test("name both types") func type() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let number = TensorContent(elementType: .int32, shape: one.shape, bytes: one.bytes)
    #expect(
      try failure(["a": one, "b": number]).message == "the input \"b\" takes float and was given int32")
  }

  @Test("name both shapes") func shape() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let flat = try TensorContent(floats: [1, 2, 3], [3])
    let wide = try TensorContent(floats: [1, 2, 3, 4], [1, 4])
    #expect(
      try failure(["a": one, "b": flat]).message
        == "the input \"b\" takes the shape [n, 3] and was given [3]")
    #expect(
      try failure(["a": wide, "b": one]).message
        == "the input \"a\" takes the shape [n, 3] and was given [1, 4]")
  }

  @Test("name the dimension that two inputs give different extents") func symbol() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let two = try TensorContent(floats: [1, 2, 3, 4, 5, 6], [2, 3])
    #expect(
      try failure(["a": one, "b": two]).message
        == "the inputs \"a\" and \"b\" give the dimension \"n\" two extents, 1 and 2")
  }

  @Test("count bytes before the runtime reads them") func byteCount() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    let short = TensorContent(elementType: .float32, shape: one.shape, bytes: .owned([0, 0, 0, 0]))
    #expect(
      try failure(["a": one, "b": short]).message
        == "the input \"b\" of shape [1, 3] takes 12 bytes and was given 4")
    let promised = TensorContent(
      elementType: .float32, shape: one.shape, bytes: .promised(PayloadID(1), byteCount: 12))
    #expect(
      try failure(["a": one, "b": promised]).message == "the bytes for the input \"b\" do not exist yet")
  }

  @Test("name the output that the model does not have") func output() throws {
    let one = try TensorContent(floats: [1, 2, 3], [1, 3])
    #expect(
      try failure(["a": one, "b": one], outputs: ["y", "z"]).message
        == "the model has no output \"z\"; its outputs are y")
  }
}
