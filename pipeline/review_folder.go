package pipeline

import "deployer/state"

// folderNotes say what a review's folder means for its stack.
func (x *Execution) folderNotes() (notes []string) {
	f := x.Run.Review.Folder
	if f == nil {
		return nil
	}
	switch f.Change {
	case state.FolderAdded:
		what := "this is its first release"
		if x.Known.Live != nil {
			what = "it comes back, and is compared with what runs of it"
		}
		notes = append(notes, "folder "+f.Directory+" is new on "+x.Run.Review.Base+": it becomes stack "+x.Stack.Name+", project "+x.Stack.Project+"; "+what)
		if f.Other != "" {
			notes = append(notes, "it has the files of "+f.Other+", which goes: a folder of another name is another stack. "+x.Stack.Name+
				" starts beside what runs of "+f.Other+", with volumes of its own: no data follows, and a host's port that "+f.Other+" holds is taken")
		}
	case state.FolderMoved:
		notes = append(notes, "stack "+x.Stack.Name+" goes on in folder "+f.Directory+"; it was in "+f.Other)
	}
	return notes
}
