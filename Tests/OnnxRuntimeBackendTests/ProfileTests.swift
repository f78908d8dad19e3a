import ModelBackend
import OnnxRuntimeBackend
import TestSupport
import Testing

@Suite("Reading a profile") struct ProfileTests {
  private func nodes(_ text: String) throws -> [ProfiledNode] {
    let folder = try TemporaryFolder()
    return try RuntimeProfile.nodes(inFile: try folder.write(text.utf8, to: "profile.json"))
  }

  @Test("sums the kernels of each node and leaves everything else out") func sums() throws {
    let text = """
      [
      {"cat" : "Session","dur" :4885,"name" :"model_loading_uri","args" : {}},
      {"cat" : "Node","dur" :125,"ts" :-1.5e3,"name" :"a_kernel_time","args" : {"x": [{"f":[4,32]}, null, true],
      "provider" : "CPUExecutionProvider","op_name" : "Exp"}},
      {"cat" : "Node","dur" :3,"name" :"a_fence_before","args" : {"op_name" : "Exp"}},
      {"cat" : "Node","dur" :7,"name" :"q\\"\\u0041_kernel_time","args" : {"op_name" : "", "provider" : "P"}},
      {"cat" : "Node","dur" :75,"name" :"a_kernel_time","args" : {"op_name" : "Exp", "provider" : "CPUExecutionProvider"}},
      {}
      ]
      """
    #expect(
      try nodes(text) == [
        ProfiledNode(
          name: "a", operatorName: "Exp", provider: "CPUExecutionProvider", runCount: 2, microseconds: 200),
        ProfiledNode(name: "q\"A", operatorName: "", provider: "P", runCount: 1, microseconds: 7),
      ])
    #expect(try nodes("[]").isEmpty)
  }

  @Test(
    "says where a damaged profile goes wrong",
    arguments: [
      ("", "expected '[' at byte 0"), ("[{\"cat\"", "expected ':' at byte 7"),
      ("[{\"a\": }]", "a value at byte 7"),
      ("[{\"dur\": x}]", "a number at byte 9"), ("[{\"cat\": \"No", "the end of a text at byte 12"),
      ("[{\"a\": " + String(repeating: "[", count: 200), "expected a value at byte 71"),
    ])
  func damaged(_ text: String, _ expected: String) throws {
    let found = try message { try nodes(text) }
    #expect(found.contains(expected), "\(found)")
  }
}
