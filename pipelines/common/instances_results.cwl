cwlVersion: v1.2
class: CommandLineTool
$namespaces: {voxome: "https://voxome.org/cwl#"}
doc: >
  The results of common.instances under their names, for CWL runners other than voxome: `voxome run` writes
  them itself, and skips this step.
hints:
  voxome:Gather: {}
baseCommand: [voxome, gather]
arguments: [--workflow, instances]
inputs:
  cells: {type: File, inputBinding: {prefix: "--result=cells=", separate: false}}
  labels: {type: File, inputBinding: {prefix: "--result=labels=", separate: false}}
outputs:
  cells: {type: File, outputBinding: {glob: cells.parquet}}
  labels: {type: [File, Directory], outputBinding: {glob: ["labels.zarr", "labels.handle.json"]}}
