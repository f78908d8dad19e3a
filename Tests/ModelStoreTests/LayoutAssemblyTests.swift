import ByteIO
import Foundation
import ModelStore
import TestSupport
import Testing

@Suite("Layouts in the making")
struct LayoutAssemblyTests {
  private let folder: TemporaryFolder
  private var models: String { folder.path("models") }

  init() throws { folder = try TemporaryFolder() }

  private func text(_ path: String) -> String? {
    (try? folder.read(path)).map { String(decoding: $0, as: UTF8.self) }
  }

  private func step(
    _ name: String, _ content: String, _ way: PlacingWay = .move, models: [String] = []
  ) throws
    -> PlacementStep
  {
    PlacementStep(
      source: try folder.write(Array(content.utf8), to: "source/" + name), target: name, way: way,
      models: models)
  }

  private func place(_ steps: [PlacementStep], in assembly: LayoutAssembly, removed: [String] = []) throws {
    try assembly.begin(steps, removed: removed)
    for step in steps { _ = try assembly.place(step) { _ in } }
  }

  @Test("The layout appears as a whole, and nothing else stays", arguments: PlacingWay.allCases)
  func appears(way: PlacingWay) throws {
    let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
    try place([step("encoder/a.onnx", "model", way), step("b.json", "{}", way)], in: assembly)
    try assembly.write("readme", to: "README.md")
    #expect(!FileManager.default.fileExists(atPath: folder.path("models/tiny_onnx")))
    try assembly.publish()
    try assembly.finish()
    #expect(text("models/tiny_onnx/encoder/a.onnx") == "model")
    #expect(text("models/tiny_onnx/README.md") == "readme")
    #expect(try FileManager.default.contentsOfDirectory(atPath: models) == ["tiny_onnx"])
    #expect((text("source/b.json") == nil) == (way == .move))
  }

  @Test("The digest is that of the file, and the method says how it came", arguments: PlacingWay.allCases)
  func digest(way: PlacingWay) throws {
    let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
    let step = try step("a", "abc", way)
    try assembly.begin([step], removed: [])
    let placed = try assembly.place(step) { _ in }
    // Source: FIPS 180-4, the example of three letters.
    #expect(placed.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(placed.byteCount == 3)
    switch way {
    case .move: #expect(placed.method == .renamed)
    case .clone: #expect([.reflinked, .copied].contains(placed.method))
    case .link: #expect(placed.method == .linked)
    case .copy: #expect(placed.method == .copied)
    }
  }

  @Test("What a run moved before it was killed goes back where it was")
  func undone() throws {
    do {
      let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
      try place([step("encoder/a.onnx", "model"), step("encoder/a.bin", "data")], in: assembly)
      #expect(text("source/encoder/a.onnx") == nil)
    }
    #expect(LayoutAssembly.unfinished(in: models) == ["tiny"])
    let next = try LayoutAssembly(modelsFolder: models, name: "tiny")
    #expect(!next.isCompleted)
    #expect(text("source/encoder/a.onnx") == "model")
    #expect(text("source/encoder/a.bin") == "data")
    #expect(!FileManager.default.fileExists(atPath: next.targetPath))
  }

  @Test("Complete copies of a killed run are taken over when their source is as it was, else made again")
  func copiesStay() throws {
    let same = try step("same", "one", .copy)
    let changed = try step("changed", "two", .copy)
    do {
      let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
      try place([same, changed], in: assembly)
    }
    try folder.write(Array("three".utf8), to: "source/changed")
    let next = try LayoutAssembly(modelsFolder: models, name: "tiny")
    let before = FileStamp(ofPath: next.treePath(of: "same"))
    try place([same, changed], in: next)
    #expect(FileStamp(ofPath: next.treePath(of: "same")) == before)
    try next.publish()
    #expect(text("models/tiny_onnx/same") == "one")
    #expect(text("models/tiny_onnx/changed") == "three")
  }

  @Test("Two runs do not work on one layout")
  func locked() throws {
    let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
    let error = #expect(throws: ByteIOError.self) {
      _ = try LayoutAssembly(modelsFolder: models, name: "tiny")
    }
    #expect(error?.message.contains("another program") == true)
    try assembly.finish()
    _ = try LayoutAssembly(modelsFolder: models, name: "tiny")
  }

  @Test("Files of a layout that is there are replaced, others stay, and what no longer belongs goes")
  func replaced() throws {
    for (name, content) in [
      ("decoder/d.onnx", "old"), ("decoder/d.bin", "old"), ("mine.txt", "mine"), ("x/y", "y"),
    ] {
      try folder.write(Array(content.utf8), to: "models/tiny_onnx/" + name)
    }
    let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
    let steps = try [
      step("decoder/d.bin", "new", models: ["decoder/d.onnx"]), step("decoder/d.onnx", "new"),
    ]
    try place(steps, in: assembly, removed: ["x/y"])
    try assembly.publish()
    try assembly.finish()
    #expect(text("models/tiny_onnx/decoder/d.onnx") == "new")
    #expect(text("models/tiny_onnx/decoder/d.bin") == "new")
    #expect(text("models/tiny_onnx/mine.txt") == "mine")
    #expect(!FileManager.default.fileExists(atPath: folder.path("models/tiny_onnx/x")))
  }

  @Test("Sources that were moved in another form go only when the layout is in its place")
  func leftovers() throws {
    let assembly = try LayoutAssembly(modelsFolder: models, name: "tiny")
    let original = try folder.write([1], to: "source/original.onnx")
    try place([step("a.onnx", "made of it")], in: assembly)
    assembly.removeAfterwards(original)
    #expect(FileManager.default.fileExists(atPath: original))
    try assembly.publish()
    #expect(!FileManager.default.fileExists(atPath: original))
  }

  @Test("An unreadable plan is none: nothing is moved or removed by it")
  func badPlan() throws {
    try folder.write(
      Array("{\"format\": 1, \"phase\": \"publishing\", \"steps\": [".utf8),
      to: "models/.t_onnx.incoming/plan.json")
    let assembly = try LayoutAssembly(modelsFolder: models, name: "t")
    #expect(!assembly.isCompleted)
    #expect(!FileManager.default.fileExists(atPath: assembly.targetPath))
  }

  @Test("A plan cannot lead out of the layout")
  func hostilePlan() throws {
    let victim = try folder.write([1], to: "victim")
    let plan = """
      {"format": 1, "phase": "publishing", "new": false, "steps": [], "copies": [], "leftovers": [],
       "stale": ["../../victim"]}
      """
    try folder.write(Array(plan.utf8), to: "models/.t_onnx.incoming/plan.json")
    try folder.write([], to: "models/t_onnx/x")
    _ = try LayoutAssembly(modelsFolder: models, name: "t")
    #expect(FileManager.default.fileExists(atPath: victim))
  }
}
