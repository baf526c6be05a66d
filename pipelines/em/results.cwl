cwlVersion: v1.2
class: CommandLineTool
$namespaces: {voxome: "https://voxome.org/cwl#"}
doc: >
  The results of em.connectome under their names, and its report, for CWL runners other than voxome: `voxome run` writes
  both itself, and skips this step.
hints:
  voxome:Gather: {}
baseCommand: [voxome, gather]
arguments: [--workflow, connectome, --report, em.connectome, --name, neurons_table=neurons, --name, connectome_graph=connectome]
inputs:
  raw: {type: [File, string], inputBinding: {prefix: "--input=raw=", separate: false}}
  affinities: {type: File, inputBinding: {prefix: "--result=affinities=", separate: false}}
  membranes: {type: File, inputBinding: {prefix: "--result=membranes=", separate: false}}
  sections: {type: File, inputBinding: {prefix: "--result=sections=", separate: false}}
  neurons: {type: File, inputBinding: {prefix: "--result=neurons=", separate: false}}
  synapses: {type: File, inputBinding: {prefix: "--result=synapses=", separate: false}}
  connectome: {type: File, inputBinding: {prefix: "--result=connectome=", separate: false}}
  neurons_table: {type: File, inputBinding: {prefix: "--result=neurons_table=", separate: false}}
  connectome_graph: {type: File, inputBinding: {prefix: "--result=connectome_graph=", separate: false}}
outputs:
  affinities: {type: [File, Directory], outputBinding: {glob: ["affinities.zarr", "affinities.handle.json"]}}
  membranes: {type: [File, Directory], outputBinding: {glob: ["membranes.zarr", "membranes.handle.json"]}}
  sections: {type: File, outputBinding: {glob: sections.parquet}}
  neurons: {type: [File, Directory], outputBinding: {glob: ["neurons.zarr", "neurons.handle.json"]}}
  synapses: {type: File, outputBinding: {glob: synapses.parquet}}
  connectome: {type: File, outputBinding: {glob: connectome.parquet}}
  neurons_table: {type: File, outputBinding: {glob: neurons.parquet}}
  connectome_graph: {type: File, outputBinding: {glob: connectome.graphml}}
  report: {type: File, outputBinding: {glob: report.html}}
