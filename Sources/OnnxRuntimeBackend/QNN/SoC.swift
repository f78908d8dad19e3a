/// A chip of Qualcomm with a Hexagon NPU, by the number that its backend takes as `soc_model`.
///
/// Numbers: Qualcomm's `Qnn_SocModel_t` (QnnTypes.h). Architecture and memory: what libQnnHtp of QAIRT 2.51 says it
/// prepares for when it is given the number.
public struct SoC: Sendable, Hashable {
  /// How whisperq calls it, such as `snapdragon-x-elite`.
  public let name: String
  /// Qualcomm's part number.
  public let chipset: String
  public let number: Int
  /// The version of the Hexagon NPU, such as 73.
  public let architecture: Int
  /// The NPU's tightly coupled memory in MiB.
  public let vtcmMegabytes: Int

  /// Snapdragon X Elite and X Plus (SC8380XP).
  public static let snapdragonXElite = all[0]

  /// All that have a name, laptops first.
  public static let all = [
    SoC("snapdragon-x-elite", "SC8380XP", 60, 73, 8), SoC("snapdragon-x2-elite", "SC8480XP", 88, 81, 8),
    SoC("snapdragon-8cx-gen3", "SC8280X", 37, 68, 4), SoC("snapdragon-888", "SM8350", 30, 68, 4),
    SoC("snapdragon-8-gen1", "SM8450", 36, 69, 8), SoC("snapdragon-8plus-gen1", "SM8475", 42, 69, 8),
    SoC("snapdragon-8-gen2", "SM8550", 43, 73, 8), SoC("snapdragon-8s-gen3", "SM8635", 68, 73, 4),
    SoC("snapdragon-8-gen3", "SM8650", 57, 75, 8), SoC("snapdragon-7plus-gen3", "SM7675", 70, 73, 4),
    SoC("snapdragon-8s-gen4", "SM8735", 85, 73, 8), SoC("snapdragon-8-elite", "SM8750", 69, 79, 8),
    SoC("snapdragon-8-elite-gen5", "SM8850", 87, 81, 8), SoC("qcs6490", "SM7325", 35, 68, 2),
    SoC("qcs8550", "QCS8550", 66, 73, 8), SoC("qcs9100", "QCS9100", 77, 73, 8),
    SoC("sa8295", "SA8295", 39, 68, 8), SoC("sa8255", "SA8255", 52, 73, 8),
  ]

  private init(_ name: String, _ chipset: String, _ number: Int, _ architecture: Int, _ vtcmMegabytes: Int) {
    self.name = name
    self.chipset = chipset
    self.number = number
    self.architecture = architecture
    self.vtcmMegabytes = vtcmMegabytes
  }

  /// Finds a chip by its name, part number or number; nil for a stranger.
  public init?(named text: String) {
    let wanted = text.lowercased()
    let found = SoC.all.first { chip in
      chip.name == wanted || chip.chipset.lowercased() == wanted || String(chip.number) == wanted
    }
    guard let found else { return nil }
    self = found
  }
}
