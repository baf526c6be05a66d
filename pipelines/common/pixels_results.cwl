cwlVersion: v1.2
class: CommandLineTool
$namespaces: {voxome: "https://voxome.org/cwl#"}
doc: >
  The results of common.pixels under their names, for CWL runners other than voxome: `voxome run` writes
  them itself, and skips this step.
hints:
  voxome:Gather: {}
baseCommand: [voxome, gather]
arguments: [--workflow, pixels]
inputs:
  probability: {type: File, inputBinding: {prefix: "--result=probability=", separate: false}}
  mixture: {type: File, inputBinding: {prefix: "--result=mixture=", separate: false}}
  tissue: {type: File, inputBinding: {prefix: "--result=tissue=", separate: false}}
  sections: {type: File, inputBinding: {prefix: "--result=sections=", separate: false}}
outputs:
  probability: {type: [File, Directory], outputBinding: {glob: ["probability.zarr", "probability.handle.json"]}}
  mixture: {type: File, outputBinding: {glob: mixture.json}}
  tissue: {type: [File, Directory], outputBinding: {glob: ["tissue.zarr", "tissue.handle.json"]}}
  sections: {type: File, outputBinding: {glob: sections.parquet}}
